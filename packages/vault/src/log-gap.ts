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

/** Missing slots in a row that are told one by one. */
const MOST_MISSING = 1000;

/**
 * The slots `first` to `last` that are to be looked at, in order: those that are `there` (ascending), and those missing between them but for what was
 * `lost`. Of a great many in a row that are missing only the first ones: a catalogue may tell of any number.
 */
export function* slotsToRead(
  { first, last }: { readonly first: number; readonly last: number },
  there: readonly number[],
  lost: readonly { readonly first: number; readonly last: number }[],
): Generator<number> {
  let at = first;
  for (const sequence of [...there.filter((number) => number >= first && number <= last), last + 1]) {
    for (let missing = 0; at < sequence && missing < MOST_MISSING; ) {
      const stepped = lost.find((range) => range.first <= at && at <= range.last);
      if (stepped === undefined) {
        yield at;
        missing += 1;
      }
      at = (stepped?.last ?? at) + 1;
    }
    at = Math.max(at, sequence);
    if (at > last) return;
    if (!lost.some((range) => range.first <= sequence && sequence <= range.last)) yield sequence;
    at = Math.max(at, sequence + 1);
  }
}

/** The slots that a list shows, ascending. */
export const listedSlots = async ({ store }: VaultAccess, machineId: string): Promise<Map<number, number>> => {
  const sizes = new Map<number, number>();
  const prefix = logPrefix(machineId);
  for await (const { name, size } of store.list(prefix)) sizes.set(Number(name.slice(prefix.length)), size);
  return sizes;
};
