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

/*
 * An agent holds what was not durable when it last heard: what became durable in the last moments, or, after an outage of the vault, very much at once.
 * What it offers again later than this the vault compares with what it has. There are thousands of machines, so nothing is kept for longer.
 */

/** Milliseconds for which a cut is known at least, */
const KEPT = 10 * 60_000;
/** unless there are more of them than that. */
const MOST_CUTS = 65_536;
const MOST_SLOTS = 256;

/** `now`: milliseconds of a clock that never goes back. */
export const createDurableIds = (now: () => number = () => performance.now()): DurableIds => {
  /** When each became known, in this order. */
  const cuts = new Map<string, number>();
  const tags = new Map<number, string>();
  return {
    add(cutId) {
      const time = now();
      cuts.delete(cutId);
      cuts.set(cutId, time);
      for (const [id, since] of cuts) {
        if (cuts.size <= MOST_CUTS && time - since <= KEPT) break;
        cuts.delete(id);
      }
    },
    has: (cutId) => cuts.has(cutId),
    reached({ sequence, tag }) {
      if (sequence < 0) return;
      tags.delete(sequence);
      tags.set(sequence, tag);
      for (const [oldest] of tags) {
        if (tags.size <= MOST_SLOTS) break;
        tags.delete(oldest);
      }
    },
    holds: (anchor) => anchor === undefined || anchor.sequence < 0 || tags.get(anchor.sequence) === anchor.tag,
  };
};
