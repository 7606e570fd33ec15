import type { GuestDisk } from './disks.ts';
import type { GuestImage } from './image.ts';

/** A directory of the host that the guest can mount as 9p under `tag`. */
export interface SharedDirectory {
  readonly tag: string;
  readonly path: string;
  readonly writable: boolean;
}

export interface QemuPlan {
  readonly image: GuestImage;
  readonly memoryMiB: number;
  readonly processors: number;
  readonly disks: readonly GuestDisk[];
  readonly shares: readonly SharedDirectory[];
  readonly network: 'none' | 'user';
  /** Hardware identity: the same for every start of one guest. */
  readonly uuid: string;
  /** File that gets all the guest prints. */
  readonly consoleLog: string;
  /** Appended to the kernel command line. */
  readonly append: string;
}

/** File descriptors QEMU gets, each one end of a socket pair. */
export const QEMU_DESCRIPTORS = { qmp: 3, jobs: 4, console: 5 } as const;

/** The old option syntax ends a value at a comma, two commas are one. */
const escaped = (value: string): string => value.replaceAll(',', ',,');

const blockdev = (name: string, driver: string, filename: string, options: object): string[] => [
  '-blockdev',
  JSON.stringify({ driver: 'raw', 'node-name': name, file: { driver, filename, ...options }, ...options }),
];

const device = (properties: object): string[] => ['-device', JSON.stringify(properties)];

/** Devices are found over QMP under the serial; the block node too. */
const diskArguments = ({ bus, serial, path, driver }: GuestDisk): string[] => {
  const frontend = { virtio: { driver: 'virtio-blk-pci' }, nvme: { driver: 'nvme' }, scsi: { driver: 'scsi-hd', bus: 'scsi.0' } }[bus];
  return [
    ...blockdev(serial, driver, path, { discard: 'unmap' }),
    ...device({ ...frontend, drive: serial, serial, id: `${serial}-device` }),
  ];
};

const shareArguments = ({ tag, path, writable }: SharedDirectory): string[] => [
  '-virtfs',
  `local,path=${escaped(path)},mount_tag=${tag},security_model=none,multidevs=remap,readonly=${writable ? 'off' : 'on'}`,
];

/** A processor that is emulated beside others may miss the ticks by which kernels try the timer, and they stop for good where it seems not to work. */
const kernelCommandLine = ({ uuid, append }: QemuPlan): string =>
  `console=ttyS0 quiet panic=-1 cryptomgr.notests no_timer_check tsc=reliable systemd.machine_id=${uuid.replaceAll('-', '')} ${append}`.trimEnd();

/**
 * QEMU's arguments for one start of a guest. An emulated processor (TCG) everywhere: a /dev/kvm that opens but hangs is worse than
 * none, and a run must not depend on it. One thread runs all processors in turn: with a thread for each, QEMU before 8.1 goes on running a
 * translation of code that another processor has just changed (its commit deba78709ae8 mends that), which kills Node every few runs.
 * The machine is the old `pc`, whose bus takes devices while it runs.
 */
export const qemuArguments = (plan: QemuPlan): string[] => [
  ...[
    '-accel',
    'tcg,thread=single',
    '-cpu',
    'max',
    '-machine',
    'pc',
    '-smp',
    `${plan.processors}`,
    '-m',
    `${plan.memoryMiB}`,
    '-uuid',
    plan.uuid,
  ],
  ...['-no-user-config', '-nodefaults', '-display', 'none', '-vga', 'none', '-no-reboot'],
  ...['-kernel', plan.image.kernel, '-initrd', plan.image.initrd, '-append', kernelCommandLine(plan)],
  ...['-chardev', `socket,id=qmp,fd=${QEMU_DESCRIPTORS.qmp}`, '-mon', 'chardev=qmp,mode=control'],
  ...['-chardev', `socket,id=console,fd=${QEMU_DESCRIPTORS.console},logfile=${escaped(plan.consoleLog)},logappend=on`],
  ...['-serial', 'chardev:console'],
  ...['-chardev', `socket,id=jobs,fd=${QEMU_DESCRIPTORS.jobs}`],
  ...device({ driver: 'virtio-serial-pci' }),
  ...device({ driver: 'virtserialport', chardev: 'jobs', name: 'holdfast' }),
  // The root disk hangs at the end of the bus, so that the disks of the caller are vda, vdb, … in their order.
  ...blockdev('holdfast-root', 'file', plan.image.root, { 'read-only': true }),
  ...device({ driver: 'virtio-blk-pci', drive: 'holdfast-root', serial: 'holdfast-root', addr: '1e' }),
  ...(plan.disks.some(({ bus }) => bus === 'scsi') ? device({ driver: 'virtio-scsi-pci', id: 'scsi' }) : []),
  ...plan.disks.flatMap(diskArguments),
  ...plan.shares.flatMap(shareArguments),
  ...(plan.network === 'user' ? ['-netdev', 'user,id=network', ...device({ driver: 'virtio-net-pci', netdev: 'network' })] : []),
];
