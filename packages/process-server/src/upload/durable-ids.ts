import type { Anchor } from '@holdfast/vault';

/** What is known to be in a machine's log: the newest cuts and slots. */
export interface DurableIds {
  add(cutId: string): void;
  has(cutId: string): boolean;
  /** That slot counts. */
  reached(anchor: Anchor): void;
  /** True when that slot is known to count; true for none. */
  holds(anchor: Anchor | undefined): boolean;
}

/** An agent holds what was not durable when it last heard: cuts of the last while. */
const MOST_CUTS = 65_536;
const MOST_SLOTS = 4096;

/** Forgets the one that came first. */
const bound = (entries: Map<unknown, unknown>, most: number): void => {
  if (entries.size <= most) return;
  for (const [key] of entries) {
    entries.delete(key);
    return;
  }
};

export const createDurableIds = (): DurableIds => {
  const cuts = new Map<string, true>();
  const tags = new Map<number, string>();
  return {
    add(cutId) {
      cuts.set(cutId, true);
      bound(cuts, MOST_CUTS);
    },
    has: (cutId) => cuts.has(cutId),
    reached({ sequence, tag }) {
      if (sequence < 0) return;
      tags.set(sequence, tag);
      bound(tags, MOST_SLOTS);
    },
    holds: (anchor) => anchor === undefined || anchor.sequence < 0 || tags.get(anchor.sequence) === anchor.tag,
  };
};
