import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type BlockDevice, openFileDevice } from '@holdfast/block';
import { fromSystem } from '@holdfast/errors';
import { isId, newId } from '@holdfast/protocol';
import { nextData } from '../platform/file.ts';

/** Something to be scanned that may change meanwhile. */
export interface ScanSource {
  /** For people: a path. */
  readonly name: string;
  /** Opens it for reading, as it is now. A stamp taken before and one taken after reading tell whether that was all one state. */
  open(): Promise<BlockDevice>;
  /** Two equal stamps mean that nothing was written between them. Undefined where there is no telling: then there are no points. */
  stamp(): Promise<string | undefined>;
  /**
   * A copy of it as it is at one instant, made without reading it, that nobody writes to. Undefined where there is no such way. Closing it
   * removes it.
   */
  snapshot?(): Promise<BlockDevice | undefined>;
}

/** Time stamps of files go by ticks of at most this many milliseconds (CONFIG_HZ=100): a second write within one does not show. */
const TICK = 10;
const PAUSES = 50;

/** The device of a file that tells where it has holes. */
const withHoles = (device: BlockDevice, file: string): BlockDevice => {
  if (process.platform !== 'linux') return device;
  const fd = openSync(file, 'r');
  return {
    size: device.size,
    readOnly: device.readOnly,
    read: (offset, target) => device.read(offset, target),
    write: (offset, data) => device.write(offset, data),
    zero: (offset, length) => device.zero(offset, length),
    flush: () => device.flush(),
    async allocated(offset, length) {
      return nextData(fd, offset) >= offset + length ? [] : device.allocated(offset, length);
    },
    async close() {
      closeSync(fd);
      await device.close();
    },
  };
};

/** What a file system without clones answers, one whose clones would leave it, and one that is full. */
const NO_CLONE = new Set(['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY', 'ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM']);

/** Milliseconds after which a clone with a name is nobody's: its maker was killed. A younger one may be another agent's, about to be opened. */
const LEFT_BEHIND = 600_000;

/** Removes clones that processes left which were killed while they made them. */
const removeLeft = async (directory: string, prefix: string): Promise<void> => {
  for (const name of await fs.readdir(directory)) {
    if (!name.startsWith(prefix) || !isId(name.slice(prefix.length))) continue;
    const clone = path.join(directory, name);
    const stats = await fs.stat(clone).catch(() => undefined);
    if (stats !== undefined && Date.now() - stats.mtimeMs > LEFT_BEHIND) await fs.rm(clone, { force: true });
  }
};

/**
 * A clone of a file (reflink: XFS, btrfs and others) that has no name any more once it is open. The kernel lets nobody write to the file while
 * it is made: it holds every write that had ended before, and none that began after it.
 */
const cloneOf = async (file: string): Promise<BlockDevice | undefined> => {
  const [directory, prefix] = [path.dirname(file), `.${path.basename(file)}.holdfast-`];
  const clone = path.join(directory, `${prefix}${newId()}`);
  await removeLeft(directory, prefix);
  try {
    await fs.copyFile(file, clone, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
  } catch (reason) {
    await fs.rm(clone, { force: true });
    if (NO_CLONE.has((reason as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw fromSystem(reason, file);
  }
  try {
    return withHoles(await openFileDevice(clone, { readOnly: true }), clone);
  } finally {
    unlinkSync(clone);
  }
};

/**
 * An image file. Its stamp is its identity, size and times of change. A program that writes through a memory mapping changes the times
 * late: stop it, or let it sync, before relying on a point.
 */
export const createFileSource = (file: string): ScanSource => ({
  name: file,
  open: async () => withHoles(await openFileDevice(file, { readOnly: true }), file),
  snapshot: () => cloneOf(file),
  stamp: async () => {
    for (let pauses = 0; ; pauses += 1) {
      const stat = await fs.stat(file, { bigint: true }).catch((reason: unknown) => {
        throw fromSystem(reason, file);
      });
      if (!stat.isFile()) return undefined;
      const { dev, ino, size, mtimeNs, ctimeNs } = stat;
      const age = Date.now() - Number(ctimeNs / 1_000_000n);
      // A stamp of this very moment could be that of a later write as well.
      if (age > 2 * TICK) return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
      if (pauses === PAUSES) return undefined;
      await pause(TICK);
    }
  },
});
