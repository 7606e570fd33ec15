import type { HoldfastError } from '@holdfast/errors';
import { damaged } from './damage.ts';
import { logPrefix, slotName } from './object-names.ts';
import { ifPresent } from './read-object.ts';
import type { VaultAccess } from './vault-access.ts';

/** Slots a writer may have under way at the same time. */
export const IN_FLIGHT_LIMIT = 8;

/**
 * Says whether the first empty slot of a log is one that was lost. A writer that died leaves fewer than `IN_FLIGHT_LIMIT` behind a gap, for it had
 * the gap's own slot under way with them; where there are more, the slot was there once and what is behind it may have been called durable.
 */
export const findGap = async (vault: VaultAccess, machineId: string, end: number): Promise<HoldfastError | undefined> => {
  const name = slotName(machineId, end);
  let behind = 0;
  for await (const _ of vault.store.list(logPrefix(machineId), { after: name })) {
    behind += 1;
    if (behind === IN_FLIGHT_LIMIT) break;
  }
  // Looked for once more after the list: a writer may be at work, and have filled it before what the list shows.
  if (behind < IN_FLIGHT_LIMIT || (await ifPresent(vault.store.stat(name))) !== undefined) return undefined;
  return damaged(name, `it is missing, and behind it there are more slots than any writer leaves there (${IN_FLIGHT_LIMIT} or more)`);
};
