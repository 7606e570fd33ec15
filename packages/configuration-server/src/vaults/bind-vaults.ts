import { isId } from '@holdfast/protocol';
import { wantedBackups } from '../backup/vault-backups.ts';
import { proofOrders } from '../proofs/proof-record.ts';
import { find, type Kind, listAll } from '../records/kind.ts';
import { assignments, protections, servers } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { leftOvers } from '../recovery/left-overs.ts';
import { recoveries } from '../recovery/recovery-record.ts';
import { fenceReleases } from '../recovery/release-fence.ts';
import type { StateStore } from '../state/state-store.ts';
import { vaultNamed } from './vault-record.ts';

/** All that refers to a vault, and with which process server's words. */
interface Referring {
  readonly kind: Kind<{ readonly vault: string }>;
  serverOf(id: string, value: unknown): string;
}

const referring = <T extends { readonly vault: string }>(kind: Kind<T>, serverOf: (id: string, value: T) => string): Referring =>
  ({ kind, serverOf }) as unknown as Referring;

/** The key of what is a process server's begins with its id. */
const ofKey = (id: string): string => id.split('/', 1)[0]!;

const REFERRING: readonly Referring[] = [
  referring(protections, (_, { processServerId }) => processServerId),
  referring(assignments, ofKey),
  referring(recoveries, (_, { serverId }) => serverId),
  referring(leftOvers, ofKey),
  referring(fenceReleases, (_, { serverId }) => serverId),
  referring(proofOrders, (_, { serverId }) => serverId),
];

/**
 * Has everything that refers to a vault by its name, as all did before vaults were registered, refer to it by its id, as far as that is known: what the settings
 * of its own process server call so, which may be another vault than the one of that name elsewhere. A server that told of no vault yet is waited for, unless it
 * is `namesOnly`, which never will: what others call so is meant then. May be killed at any moment and is done again at each start and whenever a server told
 * something new: what is bound already stays so. Gives how many were bound.
 */
export const bindVaults = async (store: StateStore, namesOnly?: string): Promise<number> => {
  const idOf = async (server: string, name: string): Promise<string | undefined> => {
    const own = await find(store, servers, server);
    // Of one that was removed nobody will tell any more.
    if (own === undefined || server === namesOnly) return (await vaultNamed(store, name))?.id;
    return own.value.served?.find((served) => served.name === name)?.id;
  };
  let bound = 0;
  for (const { kind, serverOf } of REFERRING)
    for await (const { id, value } of listAll(store, kind)) {
      const vault = isId(value.vault) ? undefined : await idOf(serverOf(id, value), value.vault);
      if (vault === undefined) continue;
      await transact(store, async (transaction) => {
        const now = await transaction.read(kind, id);
        if (now?.value.vault === value.vault) transaction.put(kind, id, { ...now.value, vault });
      });
      bound += 1;
    }
  // Backups are asked for anew, by the id.
  for await (const { id, value } of listAll(store, wantedBackups))
    if (!isId(value.vault) && (await vaultNamed(store, value.vault)) !== undefined)
      await transact(store, async (transaction) => transaction.delete(wantedBackups, id));
  return bound;
};
