import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import type { BackupService } from '@holdfast/protocol';
import { personOf } from '../listener/caller.ts';
import type { Reconciliation } from '../reconcile/reconciliation.ts';
import { endReconciliation } from '../reconcile/restored.ts';
import { find } from '../records/kind.ts';
import { SITE, sites } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';
import type { VaultBackups } from './vault-backups.ts';

export interface BackupParts {
  readonly store: StateStore;
  /** Makes a backup; undefined where no passphrase is set. */
  readonly makeBackup: (() => AsyncIterable<Uint8Array>) | undefined;
  readonly reconciliation: Reconciliation;
  readonly vaultBackups: Pick<VaultBackups, 'kept'>;
}

/** Backups over the API: what leaves this server is encrypted by a passphrase that does not. */
export const createBackupService = ({
  store,
  makeBackup,
  reconciliation,
  vaultBackups,
}: BackupParts): ServiceImpl<typeof BackupService> => ({
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
  async getReconciliation() {
    const site = await find(store, sites, SITE);
    const restored = site?.value.restored;
    const now = await reconciliation.state();
    return {
      waiting: now !== undefined,
      from: restored?.from ?? '',
      madeUnixMillis: BigInt(restored?.made ?? 0),
      missing: [...(now?.missing ?? [])],
      differences: [...(now?.differences ?? [])],
      backups: [...vaultBackups.kept()],
    };
  },
  async confirmRestore({ force }, { values }) {
    const { name: actor } = personOf(values);
    const now = await reconciliation.state();
    const [first] = [...(now?.missing ?? []), ...(now?.differences ?? [])];
    if (now !== undefined && first !== undefined && !force)
      throw new HoldfastError('PREREQUISITES_MISSING', {
        thing: 'restore of the configuration server',
        why: `${now.missing.length} things are not known yet and ${now.differences.length} differ, the first: ${first}`,
        remedy:
          'look at holdfast restore status; wait, or confirm with --force what this server knows: machines it knows no protection of stop then',
      });
    await endReconciliation(store, actor, `${actor} confirmed the restore: members are told again what this server wants of them`);
    return {};
  },
});
