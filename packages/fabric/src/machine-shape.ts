/** What firmware starts a machine. */
export type MachineFirmware = 'bios' | 'uefi';

/**
 * What a disk hangs on: `virtio` is the fastest, `sata` is what nearly every system since 2005 can drive. `pvscsi` is VMware's.
 * Of an `nvme` disk that cannot be read the machine sees the error, where it is paused with all others.
 */
export type DiskController = 'virtio' | 'scsi' | 'nvme' | 'sata' | 'pvscsi';
export const DISK_CONTROLLERS: readonly DiskController[] = ['virtio', 'scsi', 'nvme', 'sata', 'pvscsi'];

/** What a network card is. `vmxnet3` is VMware's. */
export type NetworkModel = 'virtio' | 'e1000e' | 'e1000' | 'vmxnet3';
export const NETWORK_MODELS: readonly NetworkModel[] = ['virtio', 'e1000e', 'e1000', 'vmxnet3'];

/** What a disk's content is. */
export type DiskSource =
  | {
      /** Read from an export of an NBD server at a Unix socket, never written: what the machine writes goes into an overlay of the fabric. */
      readonly kind: 'nbd';
      readonly socket: string;
      readonly export: string;
    }
  | {
      /** A file that the machine writes to. It is the caller's: removing the machine leaves it. */
      readonly kind: 'file';
      readonly path: string;
      readonly format: 'raw' | 'qcow2';
    };

export interface DiskShape {
  /** Names the disk within the machine: letters, digits, `.`, `_` and `-`, at most 32. */
  readonly id: string;
  /** Bytes, a multiple of 512. */
  readonly size: number;
  readonly controller: DiskController;
  readonly source: DiskSource;
  /** What the disk says it is called; the beginning of its id unless told. At most 20 characters. */
  readonly serial?: string;
  /** Started from before the others; otherwise the firmware takes them in their order. */
  readonly boot?: true;
  /** 512 unless told. SATA knows nothing else. */
  readonly sectorBytes?: 512 | 4096;
}

/** What a network card is plugged into. */
export type NetworkAttachment =
  | { /** Nothing: a card without a cable. */ readonly kind: 'none' }
  | {
      /**
       * A network of its own: an address by DHCP (10.0.2.15), the host at 10.0.2.2, and nothing reaches out of it. From this host alone, on loopback,
       * `forwards` reach ports of the machine.
       */
      readonly kind: 'isolated';
      readonly forwards?: readonly { readonly guestPort: number; readonly hostPort: number }[];
    }
  | { /** A bridge of the host: the machine is on that network. Needs root. */ readonly kind: 'bridge'; readonly bridge: string };

export interface NetworkShape {
  readonly model: NetworkModel;
  /** `52:54:00:12:34:56`; made out of the operation and the position unless told. */
  readonly mac?: string;
  readonly attachment: NetworkAttachment;
}

/** The hardware of a machine. */
export interface MachineShape {
  readonly cpus: number;
  /** A multiple of 1 MiB. */
  readonly memoryBytes: number;
  readonly firmware: MachineFirmware;
  /** In this order. */
  readonly disks: readonly DiskShape[];
  readonly networks: readonly NetworkShape[];
}
