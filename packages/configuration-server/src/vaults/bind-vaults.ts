import { isId } from '@holdfast/protocol';
import { wantedBackups } from '../backup/vault-backups.ts';
import { proofOrders } from '../proofs/proof-record.ts';
import { type Kind, listAll } from '../records/kind.ts';
import { assignments, protections } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { leftOvers } from '../recovery/left-overs.ts';
import { recoveries } from '../recovery/recovery-record.ts';
import { fenceReleases } from '../recovery/release-fence.ts';
import type { StateStore } from '../state/state-store.ts';
import { vaultNamed } from './vault-record.ts';

/** All that refers to a vault. */
const REFERRING: readonly Kind<{ readonly vault: string }>[] = [
  protections,
  assignments,
  recoveries,
  leftOvers,
  fenceReleases,
  proofOrders,
] as readonly Kind<unknown>[] as readonly Kind<{ readonly vault: string }>[];

/**
 * Has everything that refers to a vault by its name, as all did before vaults were registered, refer to it by its id, as far as that is known. May be killed at
 * any moment and is done again at each start and whenever a vault is registered: what is bound already stays so. Gives how many were bound.
 */
export const bindVaults = async (store: StateStore): Promise<number> => {
  const ids = new Map<string, string | undefined>();
  const idOf = async (name: string): Promise<string | undefined> => {
    if (!ids.has(name)) ids.set(name, (await vaultNamed(store, name))?.id);
    return ids.get(name);
  };
  let bound = 0;
  for (const kind of REFERRING)
    for await (const { id, value } of listAll(store, kind)) {
      const vault = isId(value.vault) ? undefined : await idOf(value.vault);
      if (vault === undefined) continue;
      await transact(store, async (transaction) => {
        const now = await transaction.read(kind, id);
        if (now?.value.vault === value.vault) transaction.put(kind, id, { ...now.value, vault });
      });
      bound += 1;
    }
  // Backups are asked for anew, by the id.
  for await (const { id, value } of listAll(store, wantedBackups))
    if (!isId(value.vault) && (await idOf(value.vault)) !== undefined)
      await transact(store, async (transaction) => transaction.delete(wantedBackups, id));
  return bound;
};
