import { closeSync, openSync, readSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fromSystem } from '@holdfast/errors';
import { entries } from '../platform/entries.ts';
import { attribute } from './attribute.ts';

/** Why a block device cannot be traced, in words for people, and what to do about it. */
export interface Refusal {
  readonly why: string;
  readonly remedy: string;
}

const SCAN = 'protect what is on it by other means: only image files are captured by scan';

/** True for a device the kernel handles without requests. */
export const isBioBased = (folder: string): boolean => !entries(folder).includes('mq');

/**
 * Why not every write to the device at a folder of sysfs would be seen and counted by the kernel's events; `undefined` if they are. A disk
 * of which partitions are members of an array is as good as any other; a disk that is a member as a whole is not a disk of its machine.
 */
export const refusalOf = (folder: string): Refusal | undefined => {
  const name = basename(folder);
  const has = (file: string): boolean => entries(folder).includes(file);
  const queue = join(folder, 'queue');
  if (has('partition')) {
    const disk = `/dev/${basename(dirname(folder))}`;
    return { why: 'it is a partition', remedy: `name the whole disk, ${disk}; its partitions are protected with it` };
  }
  for (const holder of entries(join(folder, 'holders'))) {
    const remedy = `protect /dev/${holder} instead of its members`;
    if (/^md/.test(holder)) return { why: `it is a member of the array ${holder}`, remedy };
    const uuid = attribute(join(folder, 'holders', holder), 'dm/uuid');
    if (uuid.startsWith('mpath-')) return { why: `it is one of several paths to the multipath device ${holder}`, remedy };
  }
  if (!['', 'none'].includes(attribute(queue, 'zoned'))) return { why: 'it is a zoned disk', remedy: SCAN };
  if (attribute(queue, 'dax') === '1') return { why: 'programs can write to it past the kernel (DAX)', remedy: SCAN };
  // Of others this says nothing: most count whatever it is. They are tried when they are attached (bio-probe.ts).
  if (!isBioBased(folder) && attribute(queue, 'iostats') === '0') {
    return { why: 'its writes are not counted', remedy: `switch its statistics on: echo 1 > /sys/block/${name}/queue/iostats` };
  }
  return undefined;
};

const SECTOR = 512;
/** Where cluster file systems have their mark, from the beginning of the disk or partition (linux/gfs2_ondisk.h, fs/ocfs2/ocfs2_fs.h). */
const MARKS: readonly { readonly name: string; readonly at: readonly number[]; readonly mark: Buffer }[] = [
  { name: 'GFS2', at: [0x1_0000], mark: Buffer.from('0116197000000001', 'hex') },
  { name: 'OCFS2', at: [1024, 2048, 4096, 8192], mark: Buffer.from('OCFSV2\0', 'latin1') },
];

/**
 * Why a disk is likely to be written by other machines too, whose writes this kernel does not see: a cluster file system on it or on one
 * of its partitions. `undefined` if nothing says so. `path` is opened, `folder` is its place in sysfs. Throws NO_PERMISSION.
 */
export const sharingOf = (path: string, folder: string): Refusal | undefined => {
  const partitions = entries(folder).filter((entry) => attribute(join(folder, entry), 'partition') !== '');
  const starts = [0, ...partitions.map((entry) => Number(attribute(join(folder, entry), 'start')) * SECTOR)];
  const fd = openToRead(path);
  try {
    for (const start of starts) {
      const found = MARKS.find(({ at, mark }) => at.some((offset) => bytesAt(fd, start + offset, mark.length).equals(mark)));
      if (found === undefined) continue;
      const why = `there is a cluster file system on it (${found.name}): other machines may write to it, unseen here`;
      return { why, remedy: 'protect what is on it by other means' };
    }
    return undefined;
  } finally {
    closeSync(fd);
  }
};

const openToRead = (path: string): number => {
  try {
    return openSync(path, 'r');
  } catch (reason) {
    throw fromSystem(reason, path);
  }
};

/** As many of the bytes as can be read. */
const bytesAt = (fd: number, offset: number, length: number): Buffer => {
  const bytes = Buffer.alloc(length);
  try {
    return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
  } catch {
    return bytes.subarray(0, 0);
  }
};
