import { stat } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { identityUri } from '@holdfast/protocol';
import { IDENTITY_FILE, readIdentity } from './identity-file.ts';
import type { StoredIdentity } from './stored-identity.ts';
import { pause } from './waits.ts';

/** Milliseconds between two looks. */
const PERIOD = 2000;

/** INTERRUPTED when the identity on disk is another one by now; undefined while it is not, or cannot be read. */
export const joinedAnew = async (directory: string, { id, incarnation }: StoredIdentity): Promise<HoldfastError | undefined> => {
  const found = await readIdentity(directory).catch(() => undefined);
  if (found === undefined || (found.id === id && found.incarnation === incarnation)) return undefined;
  return new HoldfastError('INTERRUPTED', {
    thing: directory,
    why: `this machine joined anew, as ${identityUri(found)}, enrolment ${found.incarnation}`,
    remedy: 'start the program again, where systemd does not do it by itself',
  });
};

/** Looks at the identity on disk from time to time; rejects with the error of `joinedAnew`, and resolves when `stopping` aborts. */
export const watchIdentity = async (directory: string, identity: StoredIdentity, stopping: AbortSignal): Promise<void> => {
  const file = path.join(directory, IDENTITY_FILE);
  let seen = 0;
  while (!stopping.aborted) {
    const { mtimeMs = seen } = (await stat(file).catch(() => undefined)) ?? {};
    const problem = mtimeMs === seen ? undefined : await joinedAnew(directory, identity);
    if (problem !== undefined) throw problem;
    seen = mtimeMs;
    await pause(PERIOD, stopping);
  }
};
