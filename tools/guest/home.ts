import { rmSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { isAlive } from './alive.ts';

/** Where one guest keeps what lives as long as it: its desk, console log and empty disks. */
export interface GuestHome {
  readonly directory: string;
  remove(): Promise<void>;
}

const PREFIX = 'holdfast-guest-';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const homes = new Set<string>();

const removeAll = (): void => {
  for (const directory of homes) rmSync(directory, { recursive: true, force: true });
  homes.clear();
};

/** QEMU ends with this process by itself (see qemu.ts); only files need care. */
const removeAllAndEnd = (signal: NodeJS.Signals): void => {
  removeAll();
  process.exit(128 + constants.signals[signal]);
};

const watchOverExit = (): void => {
  process.on('exit', removeAll);
  for (const signal of SIGNALS) process.on(signal, removeAllAndEnd);
};

const stopWatching = (): void => {
  process.off('exit', removeAll);
  for (const signal of SIGNALS) process.off(signal, removeAllAndEnd);
};

/** What a process left that was killed too suddenly to clean up. */
const removeOrphans = async (parent: string): Promise<void> => {
  for (const entry of await readdir(parent)) {
    const owner = entry.startsWith(PREFIX) ? Number.parseInt(entry.slice(PREFIX.length), 10) : Number.NaN;
    // One of another user cannot be removed, and is not ours to remove.
    if (owner > 0 && !isAlive(owner)) await rm(path.join(parent, entry), { recursive: true, force: true }).catch(() => {});
  }
};

/** A directory of its own under the system's temporary one, removed by `remove`, at the end of this process, or by the next guest. */
export const createGuestHome = async (parent = tmpdir()): Promise<GuestHome> => {
  await removeOrphans(parent);
  const directory = await mkdtemp(path.join(parent, `${PREFIX}${process.pid}-`));
  if (homes.size === 0) watchOverExit();
  homes.add(directory);
  return {
    directory,
    remove: async () => {
      await rm(directory, { recursive: true, force: true });
      if (homes.delete(directory) && homes.size === 0) stopWatching();
    },
  };
};
