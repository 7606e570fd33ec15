import { isHoldfastError } from '@holdfast/errors';
import { RecoveryKind } from '@holdfast/protocol';
import { type HoldSummary, holdMachine, listHolds, releaseHold, type Vault } from '@holdfast/vault';
import type { Wanted } from './wanted.ts';

/** Holds carry the recovery in their reason: found again after any end, with nothing kept beside the vault. */
const reasonOf = ({ kind, id }: Pick<Wanted, 'kind' | 'id'>): string =>
  `${kind === RecoveryKind.TEST ? 'test failover' : 'failover'} ${id}`;

const holdsOf = async (vault: Vault, wanted: Pick<Wanted, 'kind' | 'id' | 'machineId'>): Promise<HoldSummary[]> =>
  (await listHolds(vault, wanted.machineId)).filter(({ reason }) => reason === reasonOf(wanted));

/**
 * Keeps the wanted point from being thinned until it is let go. False where the rights do not suffice: a test goes on without, since it changes nothing.
 * Errors: NO_PERMISSION (a failover), those of the store.
 */
export const holdPoint = async (vault: Vault, wanted: Wanted): Promise<boolean> => {
  const held = await holdsOf(vault, wanted);
  if (held.some(({ points }) => points.includes(wanted.pointId))) return true;
  try {
    await holdMachine(vault, wanted.machineId, { points: [wanted.pointId], reason: reasonOf(wanted) });
    return true;
  } catch (reason) {
    if (wanted.kind === RecoveryKind.TEST && isHoldfastError(reason, 'NO_PERMISSION')) return false;
    throw reason;
  }
};

/** Lets go of what is held for a recovery, but for `except`. */
export const letGo = async (vault: Vault, wanted: Pick<Wanted, 'kind' | 'id' | 'machineId'>, except?: string): Promise<void> => {
  for (const { id, points } of await holdsOf(vault, wanted))
    if (except === undefined || !points.includes(except)) await releaseHold(vault, wanted.machineId, id);
};
