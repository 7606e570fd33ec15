import { type Clock, systemClock } from '../clock.ts';
import { findMachine } from '../machine.ts';
import type { Vault } from '../vault.ts';
import { settleKeys } from './settle-keys.ts';

/** The data key that objects of a machine are sealed under from now on. */
export interface KeyEpoch {
  readonly machineId: string;
  readonly epoch: number;
}

/**
 * Gives machines, all of them unless told, a new data key: what is written from now on is under it, what was written stays readable under its own.
 * Writers at work take it up within ten minutes. Errors: MACHINE_NOT_FOUND, VAULT_KEY_WRONG, those of the store.
 */
export const rotateKeys = async (
  vault: Vault,
  { machineIds, clock = systemClock }: { readonly machineIds?: readonly string[]; readonly clock?: Clock } = {},
): Promise<KeyEpoch[]> => {
  await settleKeys(vault, clock);
  const ids = machineIds ?? (await vault.machines()).map(({ id }) => id);
  for (const id of ids) await findMachine(vault, id);
  const epochs: KeyEpoch[] = [];
  for (const machineId of ids) {
    const epoch = (await vault.keys.newestEpoch(machineId)) + 1;
    // Taken meanwhile: somebody else rotated it just now, and that is as good.
    await vault.keys.createKey(machineId, epoch, clock.now());
    epochs.push({ machineId, epoch });
  }
  return epochs;
};
