import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { lockFile } from '../state/file-lock.ts';
import { giveToOwner } from '../state/give-to-owner.ts';

/** Milliseconds between tries. */
const STEP = 50;

/**
 * Runs `work` while no other process replaces the identity below this state directory: a `join` may come while the program renews. Waits for
 * `patience` milliseconds, then rejects with ALREADY_RUNNING. The lock is the kernel's and ends with the process.
 */
export const withIdentityLock = async <T>(
  directory: string,
  patience: number,
  work: () => Promise<T>,
  /** Opens the file of the lock with the rights that it shall be opened with. */
  opening: <F>(open: () => Promise<F>) => Promise<F> = (opens) => opens(),
): Promise<T> => {
  const name = path.join(directory, 'identity.lock');
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
  const file = await opening(() => open(name, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)).catch((reason: unknown) => {
    throw fromSystem(reason, name);
  });
  try {
    await giveToOwner(file, await stat(directory));
    for (let left = patience; !lockFile(file); left -= STEP) {
      if (left <= 0)
        throw new HoldfastError('ALREADY_RUNNING', {
          thing: directory,
          why: 'its identity is being replaced by another process',
          remedy: 'wait until that has ended',
        });
      await sleep(STEP);
    }
    return await work();
  } finally {
    await file.close();
  }
};
