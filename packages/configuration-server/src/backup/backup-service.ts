import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import type { BackupService } from '@holdfast/protocol';
import { personOf } from '../listener/caller.ts';
import { transact } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';

export interface BackupParts {
  readonly store: StateStore;
  /** Makes a backup; undefined where no passphrase is set. */
  readonly makeBackup: (() => AsyncIterable<Uint8Array>) | undefined;
}

/** Backups over the API: what leaves this server is encrypted by a passphrase that does not. */
export const createBackupService = ({ store, makeBackup }: BackupParts): ServiceImpl<typeof BackupService> => ({
  async *createBackup(_, { values }) {
    const { name: actor } = personOf(values);
    if (makeBackup === undefined)
      throw new HoldfastError('SETTING_INVALID', {
        thing: 'backup.passphrase-file',
        why: 'it is not set, and a backup holds the key of the certificate authority',
        remedy: 'set it in the settings of the configuration server, and keep the passphrase elsewhere too',
      });
    await transact(store, async (transaction) => transaction.audit({ actor, action: 'CreateBackup', subject: '', detail: '' }));
    for await (const part of makeBackup()) yield { part: new Uint8Array(part) };
  },
});
