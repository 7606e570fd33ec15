import { closeSync, openSync } from 'node:fs';
import fs from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { type BlockDevice, openFileDevice } from '@holdfast/block';
import { fromSystem } from '@holdfast/errors';
import { nextData } from '../platform/file.ts';

/** Something to be scanned that may change meanwhile. */
export interface ScanSource {
  /** For people: a path. */
  readonly name: string;
  /** Opens it for reading, as it is now. A stamp taken before and one taken after reading tell whether that was all one state. */
  open(): Promise<BlockDevice>;
  /** Two equal stamps mean that nothing was written between them. Undefined where there is no telling: then there are no points. */
  stamp(): Promise<string | undefined>;
}

/** Time stamps of files go by ticks of at most this many milliseconds (CONFIG_HZ=100): a second write within one does not show. */
const TICK = 10;
const PAUSES = 50;

/** The device of a file that tells where it has holes. */
const withHoles = (device: BlockDevice, path: string): BlockDevice => {
  if (process.platform !== 'linux') return device;
  const fd = openSync(path, 'r');
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

/**
 * An image file. Its stamp is its identity, size and times of change. A program that writes through a memory mapping changes the times
 * late: stop it, or let it sync, before relying on a point.
 */
export const createFileSource = (path: string): ScanSource => ({
  name: path,
  open: async () => withHoles(await openFileDevice(path, { readOnly: true }), path),
  stamp: async () => {
    for (let pauses = 0; ; pauses += 1) {
      const stat = await fs.stat(path, { bigint: true }).catch((reason: unknown) => {
        throw fromSystem(reason, path);
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
