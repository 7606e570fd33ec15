import type { AccessTier } from '@holdfast/object-store';
import type { Continuity } from './continuity.ts';
import { OBJECT_KIND } from './object-header.ts';
import type { VaultAccess } from './vault-access.ts';

/*
 * Cheaper places for what is seldom read: parts of runs that grew old. Never the log, which is read and deleted within days, nor the small objects that
 * every reader begins with. Nothing about it is part of the format: the store alone knows where an object lies.
 */

/** Milliseconds since a part was created, by the clock of the store, after which it belongs into a tier; absent: never. */
export interface TierPolicy {
  readonly coolAfter?: number;
  readonly coldAfter?: number;
}

const ORDER: readonly (AccessTier | 'archive')[] = ['hot', 'cool', 'cold', 'archive'];

/**
 * Moves parts that the newest catalogue version needs to the tier that their age asks for; nothing ever comes back by itself. Resolves to how many. A
 * store without tiers, or that does not tell them, is left alone. Errors: NO_PERMISSION (needs the right to write), those of the store.
 */
export const moveToTiers = async (
  { store }: VaultAccess,
  { listed, needed }: Continuity,
  { coolAfter = Number.POSITIVE_INFINITY, coldAfter = Number.POSITIVE_INFINITY }: TierPolicy,
  signal?: AbortSignal,
): Promise<number> => {
  if (store.setTier === undefined) return 0;
  const now = listed.reduce((latest, { created }) => Math.max(latest, created), 0);
  let moved = 0;
  for (const { kind, name, created, tier } of listed) {
    signal?.throwIfAborted();
    const age = now - created;
    const wanted = age >= coldAfter ? 'cold' : age >= coolAfter ? 'cool' : 'hot';
    const isDue = kind === OBJECT_KIND.part && needed.has(name) && tier !== undefined && ORDER.indexOf(wanted) > ORDER.indexOf(tier);
    if (!isDue) continue;
    await store.setTier(name, wanted);
    moved += 1;
  }
  return moved;
};
