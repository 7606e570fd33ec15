import type { ProgramContext } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import type { Settings } from '../settings.ts';
import type { LevelStore } from '../state/level-store.ts';
import { createBackupKeeper } from './keep-backups.ts';
import { makeBackup } from './make-backup.ts';

export interface Backups {
  /** Undefined where no passphrase is set. */
  readonly make: (() => AsyncIterable<Uint8Array>) | undefined;
  readonly problem: () => string | undefined;
}

/** Backups as the settings want them. Throws SETTING_INVALID for a directory without a passphrase. */
export const openBackups = (
  { settings, stateDirectory, version, log, run, health }: ProgramContext<Settings>,
  store: LevelStore,
  site: string,
): Backups => {
  const { directory, interval, keep } = settings.backup;
  const passphrase = settings.backup.passphrase?.reveal();
  if (passphrase === undefined) {
    if (directory === undefined) return { make: undefined, problem: () => undefined };
    throw new HoldfastError('SETTING_INVALID', {
      thing: 'backup.passphrase-file',
      why: 'backup.directory is set, and this is not',
      remedy: 'set it: a backup holds the key of the certificate authority',
    });
  }
  const make = (): AsyncIterable<Uint8Array> => makeBackup(store, stateDirectory, version, passphrase);
  if (directory === undefined) return { make, problem: () => undefined };
  const keeper = createBackupKeeper({ directory, site, interval, keep, passphrase, make, log });
  health.check('backup', keeper.problem);
  run('backup', keeper.run);
  return { make, problem: keeper.problem };
};
