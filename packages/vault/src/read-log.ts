import { readSlot, type Slot } from './slot.ts';
import type { VaultAccess } from './vault-access.ts';

/** Slots read at the same time at most. */
const AHEAD_LIMIT = 16;

/**
 * The slots of a log from `from` on in order, up to the first empty one: that is where a log ends, whatever a list says. Reads ahead, the further the
 * longer the log proves to be.
 */
export async function* readSlots(vault: VaultAccess, machineId: string, from = 0): AsyncGenerator<Slot> {
  const ahead: Promise<Slot | undefined>[] = [];
  let next = from;
  let limit = 2;
  for (;;) {
    while (ahead.length < limit) {
      const slot = readSlot(vault, machineId, next);
      // What is read ahead may fail or never be looked at.
      slot.catch(() => {});
      ahead.push(slot);
      next += 1;
    }
    const slot = await ahead.shift()!;
    if (slot === undefined) return;
    yield slot;
    limit = Math.min(AHEAD_LIMIT, limit + 1);
  }
}
