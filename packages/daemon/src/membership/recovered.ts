import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem } from '@holdfast/errors';
import { describeRecoveryMarker, RECOVERY_MARKER } from '@holdfast/protocol';

/** What the one who recovered this machine left behind, in words; undefined when it was not recovered, or joined since. */
export const recoveryOf = async (directory: string): Promise<string | undefined> => {
  const file = path.join(directory, RECOVERY_MARKER);
  try {
    return describeRecoveryMarker(await readFile(file, 'utf8'));
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fromSystem(reason, file);
  }
};

/** The machine has an identity of its own now. */
export const forgetRecovery = async (directory: string): Promise<void> => {
  const file = path.join(directory, RECOVERY_MARKER);
  await rm(file, { force: true }).catch((reason: unknown) => {
    throw fromSystem(reason, file);
  });
};
