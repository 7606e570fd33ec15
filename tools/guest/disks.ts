import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';

/** How the guest sees a disk: `/dev/vdX`, `/dev/nvmeXn1` or `/dev/sdX`. */
export type DiskBus = 'virtio' | 'nvme' | 'scsi';

export const DISK_BUSES: readonly DiskBus[] = ['virtio', 'nvme', 'scsi'];

export type GuestDiskOptions = {
  readonly bus: DiskBus;
  /** What the disk calls itself: letters, digits, `-` and `_`, at most 20 of them; `disk0`, `disk1`, … unless told otherwise. */
  readonly serial?: string;
} & (
  | { /** A raw image file or block device of the host; it outlives the guest. */ readonly path: string }
  | { /** Makes an empty disk that lives as long as the guest, power cuts included. */ readonly sizeBytes: number }
);

export interface GuestDisk {
  readonly bus: DiskBus;
  readonly serial: string;
  /** The raw image or device on the host. Its content is whole only while the guest is off. */
  readonly path: string;
  /** Name in the guest that does not depend on the order of disks. */
  readonly device: string;
  /** QEMU's block driver for `path`. */
  readonly driver: 'file' | 'host_device';
}

const SERIAL = /^[\w-]{1,20}$/;
const SECTOR_BYTES = 512;

const invalid = (thing: string, why: string, remedy: string): HoldfastError => new HoldfastError('SETTING_INVALID', { thing, why, remedy });

const driverOf = async (file: string): Promise<GuestDisk['driver']> => {
  const stats = await stat(file).catch((reason: unknown) => {
    throw fromSystem(reason, file);
  });
  if (stats.isBlockDevice()) return 'host_device';
  if (stats.isFile()) return 'file';
  throw invalid(file, 'a disk is a raw image file or a block device', 'name one');
};

const createSparse = async (file: string, sizeBytes: number): Promise<void> => {
  await using handle = await open(file, 'wx');
  await handle.truncate(sizeBytes);
};

/** Checks the disks asked for and makes the empty ones in `directory`. */
export const prepareDisks = async (wanted: readonly GuestDiskOptions[], directory: string): Promise<GuestDisk[]> => {
  const disks: GuestDisk[] = [];
  for (const [index, options] of wanted.entries()) {
    const { bus, serial = `disk${index}` } = options;
    if (!SERIAL.test(serial)) throw invalid(`disk serial "${serial}"`, 'not 1 to 20 letters, digits, "-" or "_"', 'choose another');
    if (disks.some((disk) => disk.serial === serial)) throw invalid(`disk serial "${serial}"`, 'two disks have it', 'choose another');
    let file: string;
    if ('path' in options) {
      file = path.resolve(options.path);
    } else {
      const { sizeBytes } = options;
      if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0 || sizeBytes % SECTOR_BYTES !== 0) {
        throw invalid(`disk "${serial}"`, `${sizeBytes} bytes is no positive multiple of ${SECTOR_BYTES}`, 'choose another size');
      }
      file = path.join(directory, `${serial}.raw`);
      await createSparse(file, sizeBytes);
    }
    disks.push({ bus, serial, path: file, device: `/dev/disk/by-serial/${serial}`, driver: await driverOf(file) });
  }
  return disks;
};
