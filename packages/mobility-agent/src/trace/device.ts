import { realpathSync, type Stats, statSync } from 'node:fs';
import { basename } from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { attribute } from './attribute.ts';
import { type PassThrough, passThroughOf } from './pass-through.ts';
import type { FollowedDevice } from './trace-instance.ts';
import { isBioBased, type Refusal, refusalOf, sharingOf } from './traceable.ts';

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
  /** It takes several ranges in one discard (NVMe). */
  readonly gathersDiscards?: boolean;
  /** The kernel handles it without requests (dm, md, zram): only what is handed to it and what of that ends is told. */
  readonly bioBased?: boolean;
  /** Why the trace cannot follow its writes, so that it is read and compared instead (`capture/scanned-disks.ts`). */
  readonly scanned?: string;
  /** What programs may hand to it past the block layer (SG_IO and the like); nothing if not given. */
  readonly passThrough?: PassThrough | undefined;
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

/** A device as a trace follows it. */
export const followedDevice = (
  disk: Pick<TracedDevice, 'major' | 'minor' | 'gathersDiscards' | 'bioBased' | 'passThrough'>,
): FollowedDevice => ({
  device: kernelDevice(disk),
  gathersDiscards: disk.gathersDiscards === true,
  bioBased: disk.bioBased === true,
  passThrough: disk.passThrough,
});

/** Where the kernel describes a block device, with all links followed; `undefined` if there is none of this number. */
export const deviceFolder = ({ major, minor }: { major: number; minor: number }): string | undefined => {
  try {
    return realpathSync(`/sys/dev/block/${major}:${minor}`);
  } catch {
    return undefined;
  }
};

/** Where devices say who they are. */
const SERIALS = ['serial', 'device/serial', 'device/wwid', 'dm/uuid', 'md/uuid'];

const refuse = (thing: string, refusal: Refusal | undefined): void => {
  if (refusal !== undefined) throw new HoldfastError('DEVICE_UNSUPPORTED', { thing, ...refusal });
};

/**
 * Looks at the disk behind a path (links are followed). Throws DEVICE_NOT_FOUND if there is none, DEVICE_UNSUPPORTED, naming the cause, if
 * it is not a whole disk of this machine alone whose every write the kernel's events name, NO_PERMISSION.
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
  refuse(path, refusalOf(folder));
  const size = Number(attribute(folder, 'size')) * 512;
  if (!(size > 0)) throw missing('nothing is attached to it: its size is 0');
  refuse(path, sharingOf(path, folder));
  const bioBased = isBioBased(folder);
  return {
    path,
    name: basename(folder),
    ...number,
    size,
    logicalBlockSize: Number(attribute(folder, 'queue/logical_block_size')),
    diskSequence: Number(attribute(folder, 'diskseq')),
    serial: SERIALS.map((name) => attribute(folder, name)).find((serial) => serial !== '') ?? '',
    gathersDiscards: !bioBased && Number(attribute(folder, 'queue/max_discard_segments')) > 1,
    bioBased,
    passThrough: passThroughOf(folder),
  };
};
