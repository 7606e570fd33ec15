import { readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';

/** A whole disk that can be traced, as found at one moment. */
export interface TracedDevice {
  /** The device node opened for reading, for example `/dev/vda`. */
  readonly path: string;
  /** The kernel's name under `/sys/block`. */
  readonly name: string;
  readonly major: number;
  readonly minor: number;
  /** Bytes. */
  readonly size: number;
  /** Bytes; what offsets and lengths of direct reads must be multiples of. */
  readonly logicalBlockSize: number;
  /** The kernel's number of this appearance of the device (since 5.15), 0 where it has none. Another file behind a loop device changes it. */
  readonly diskSequence: number;
  /** What the device says of itself, empty when it says nothing. */
  readonly serial: string;
}

/** A `dev_t` as C libraries pack it, which is what Node reports. */
export const unpackDevice = (device: number): { major: number; minor: number } => {
  const packed = BigInt(device);
  return {
    major: Number(((packed >> 8n) & 0xfffn) | ((packed >> 32n) & 0xffff_f000n)),
    minor: Number((packed & 0xffn) | ((packed >> 12n) & 0xffff_ff00n)),
  };
};

/** A `dev_t` as the kernel packs it, which is what its events carry. */
export const kernelDevice = ({ major, minor }: { major: number; minor: number }): number => major * 2 ** 20 + minor;

/** Where the kernel describes a block device, with all links followed; `undefined` if there is none of this number. */
export const deviceFolder = ({ major, minor }: { major: number; minor: number }): string | undefined => {
  try {
    return realpathSync(`/sys/dev/block/${major}:${minor}`);
  } catch {
    return undefined;
  }
};

/** First line of a file of sysfs, empty if it is not there or the device has nothing to say. */
export const attribute = (folder: string, name: string): string => {
  try {
    return readFileSync(join(folder, name), 'latin1').trim();
  } catch {
    return '';
  }
};

const unsupported = (thing: string, why: string, remedy: string): HoldfastError =>
  new HoldfastError('DEVICE_UNSUPPORTED', { thing, why, remedy });

const exists = (folder: string, name: string): boolean => readdirSync(folder).includes(name);

const refuseWhatCannotBeTraced = (path: string, folder: string): void => {
  if (exists(folder, 'partition')) {
    const disk = `/dev/${basename(dirname(folder))}`;
    throw unsupported(path, 'it is a partition', `name the whole disk, ${disk}; its partitions are protected with it`);
  }
  const queue = join(folder, 'queue');
  if (!exists(folder, 'mq')) {
    throw unsupported(
      path,
      'the kernel handles it without requests (dm, md, zram, NVMe multipath), which trace does not follow yet',
      'use capture scan',
    );
  }
  if (!['', 'none'].includes(attribute(queue, 'zoned'))) throw unsupported(path, 'it is a zoned disk', 'use capture scan');
  if (attribute(queue, 'dax') === '1') throw unsupported(path, 'programs can write to it past the kernel (DAX)', 'use capture scan');
  if (attribute(queue, 'iostats') === '0') {
    throw unsupported(
      path,
      'its writes are not counted',
      `switch its statistics on: echo 1 > /sys/block/${basename(folder)}/queue/iostats`,
    );
  }
  if (Number(attribute(queue, 'max_discard_segments')) > 1 && attribute(queue, 'discard_max_bytes') !== '0') {
    const remedy = `switch discards off (echo 0 > /sys/block/${basename(folder)}/queue/discard_max_bytes) or use capture scan`;
    throw unsupported(path, 'it takes several ranges in one discard, of which the kernel reports only the first', remedy);
  }
};

/**
 * Looks at the disk behind a path (links are followed). Throws DEVICE_NOT_FOUND if there is none, DEVICE_UNSUPPORTED, naming the cause, if
 * it is not a whole, request-based disk whose every write the kernel's events name, NO_PERMISSION.
 */
export const identifyDevice = (path: string): TracedDevice => {
  const missing = (why: string, cause?: unknown): HoldfastError =>
    new HoldfastError('DEVICE_NOT_FOUND', { thing: path, why, remedy: 'name a block device, for example /dev/sda', cause });
  let status: Stats;
  try {
    status = statSync(path);
  } catch (reason) {
    const code = (reason as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw missing('there is no such file', reason);
    throw fromSystem(reason, path);
  }
  if (!status.isBlockDevice()) throw missing('it is not a block device');
  const number = unpackDevice(status.rdev);
  const folder = deviceFolder(number);
  if (folder === undefined) throw missing(`the kernel has no device ${number.major}:${number.minor}`);
  refuseWhatCannotBeTraced(path, folder);
  const size = Number(attribute(folder, 'size')) * 512;
  if (!(size > 0)) throw missing('nothing is attached to it: its size is 0');
  return {
    path,
    name: basename(folder),
    ...number,
    size,
    logicalBlockSize: Number(attribute(folder, 'queue/logical_block_size')),
    diskSequence: Number(attribute(folder, 'diskseq')),
    serial: attribute(folder, 'serial') || attribute(folder, 'device/serial') || attribute(folder, 'device/wwid'),
  };
};
