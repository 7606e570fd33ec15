import { HoldfastError } from '@holdfast/errors';
import { type Protection, VaultState } from '@holdfast/protocol';
import type { ServerPresence } from '../control/presence.ts';
import { proofOrders } from '../proofs/proof-record.ts';
import { find, listAll, type Stored } from '../records/kind.ts';
import { machines, protections, servers as serverKind } from '../records/kinds.ts';
import { openRecoveries, recoveries } from '../recovery/recovery-record.ts';
import { fenceReleases } from '../recovery/release-fence.ts';
import type { Notifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';

/** Names that an error tells. */
const MOST_NAMES = 5;

export interface Protected {
  readonly name: string;
  readonly protection: Stored<Protection>;
}

/** The machines that are protected into a vault. */
export const protectedInto = async (store: StateStore, vault: string): Promise<readonly Protected[]> => {
  const found: Protected[] = [];
  for await (const protection of listAll(store, protections)) {
    if (protection.value.vault !== vault) continue;
    found.push({ name: (await find(store, machines, protection.value.machineId))?.value.name ?? protection.value.machineId, protection });
  }
  return found;
};

/** How many machines are protected into each vault. */
const countProtected = async (store: StateStore): Promise<ReadonlyMap<string, number>> => {
  const counts = new Map<string, number>();
  for await (const { value } of listAll(store, protections)) counts.set(value.vault, (counts.get(value.vault) ?? 0) + 1);
  return counts;
};

/** The same, counted anew only when a protection has changed since. */
export const createProtectedCounts = (
  store: StateStore,
  notifier: Pick<Notifier, 'subscribe' | 'position'>,
): (() => Promise<ReadonlyMap<string, number>>) => {
  let counted: Promise<ReadonlyMap<string, number>> | undefined;
  const forget = (): void => {
    counted = undefined;
  };
  notifier.subscribe([protections.prefix], forget);
  return () => {
    // What was just committed may not have been told of.
    if (notifier.position() < store.revision()) forget();
    if (counted === undefined) {
      const counting = countProtected(store);
      counted = counting;
      // Only as long as nothing else took its place.
      counting.catch(() => counted === counting && forget());
    }
    return counted;
  };
};

/** What reads from a vault, or is about to write to it, beside protections: in words. */
export const usesOf = async (store: StateStore, vault: string): Promise<readonly string[]> => {
  const words: string[] = [];
  for await (const { value } of listAll(store, openRecoveries)) {
    const recovery = (await find(store, recoveries, value.recovery))?.value;
    if (recovery?.vault === vault) words.push(`the ${recovery.kind === 'test' ? 'test failover' : 'failover'} of ${recovery.machineName}`);
  }
  for await (const { value } of listAll(store, proofOrders)) if (value.vault === vault) words.push(`a proof of ${value.machineName}`);
  for await (const { value } of listAll(store, fenceReleases))
    if (value.vault === vault)
      words.push(`the release of the fence of ${(await find(store, machines, value.machineId))?.value.name ?? value.machineId}`);
  return words;
};

const some = (words: readonly string[]): string =>
  `${words.slice(0, MOST_NAMES).join(', ')}${words.length > MOST_NAMES ? ` and ${words.length - MOST_NAMES} more` : ''}`;

/** Names of the connected process servers that can open the vault now. */
const openedBy = async (store: StateStore, presence: ServerPresence, vault: string): Promise<readonly string[]> => {
  const names: string[] = [];
  for await (const { id, value } of listAll(store, serverKind)) {
    const known = presence.get(id);
    const calls = value.served?.find((served) => served.id === vault)?.name;
    const isOpen = known?.report?.vaults.some(({ name, state }) => name === calls && state === VaultState.OPEN) === true;
    if (known?.connected === true && isOpen) names.push(value.name);
  }
  return names;
};

/** Throws VAULT_IN_USE where a vault cannot be given up, or not by force. */
export const requireUnused = async (
  store: StateStore,
  presence: ServerPresence,
  { id, name }: { readonly id: string; readonly name: string },
  force: boolean,
): Promise<void> => {
  const inUse = (why: string, remedy: string): HoldfastError => new HoldfastError('VAULT_IN_USE', { thing: `vault ${name}`, why, remedy });
  const uses = await usesOf(store, id);
  if (uses.length > 0)
    throw inUse(`it is used by ${some(uses)}`, 'clean up the tests, cancel or commit the failovers, and wait for the proofs first');
  const bound = (await protectedInto(store, id)).map((one) => one.name);
  if (bound.length === 0) return;
  if (!force)
    throw inUse(
      `${some(bound)} ${bound.length === 1 ? 'is' : 'are'} protected into it`,
      'end these protections with `holdfast unprotect`, or move the vault and name its new place in the settings; force it when it does not come back',
    );
  const holders = await openedBy(store, presence, id);
  if (holders.length > 0)
    throw inUse(
      `${some(holders)} can open it, and ${some(bound)} ${bound.length === 1 ? 'is' : 'are'} protected into it`,
      'end these protections with `holdfast unprotect`: only a vault that cannot be reached may be given up by force',
    );
};
