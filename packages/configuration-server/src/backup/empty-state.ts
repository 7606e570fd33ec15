import { access, mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';

/** The parts of a state directory, the one that makes it a server's last. */
const PLACES = ['administrator.token', 'authority', 'state'] as const;

const isThere = (place: string): Promise<boolean> =>
  access(place).then(
    () => true,
    () => false,
  );

const requireEmpty = async (stateDirectory: string): Promise<void> => {
  for (const place of PLACES) {
    if (place === 'administrator.token' || !(await isThere(path.join(stateDirectory, place)))) continue;
    throw new HoldfastError('OBJECT_EXISTS', {
      thing: path.join(stateDirectory, place),
      why: 'a configuration server has its state there',
      remedy: 'choose another state.directory, or move this one away',
    });
  }
};

/**
 * Makes the state of a configuration server in an empty directory: `fill` makes it in a place beside, and it is put in place once that is done, so
 * that nothing of a work that failed or was killed stays. Rejects with OBJECT_EXISTS where there is a state already, and as `fill` does.
 */
export const fillEmptyState = async <T>(stateDirectory: string, fill: (beside: string) => Promise<T>): Promise<T> => {
  await requireEmpty(stateDirectory);
  const beside = path.join(stateDirectory, 'restore.part');
  try {
    await rm(beside, { recursive: true, force: true });
    await mkdir(beside, { recursive: true, mode: 0o700 });
    const result = await fill(beside);
    for (const place of PLACES)
      if (await isThere(path.join(beside, place))) await rename(path.join(beside, place), path.join(stateDirectory, place));
    return result;
  } catch (reason) {
    throw fromSystem(reason, stateDirectory);
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
};
