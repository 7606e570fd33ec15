import { keyOf, type SettledCut } from './assemble.ts';
import type { JournalLog } from './journal-log.ts';
import { type CutName, encodeSettled, MOST_SETTLED, NO_SUMS, RECORD_TYPE } from './record.ts';
import type { Segment } from './segments.ts';
import type { Held } from './whole-cut.ts';

/** What says in the journal that cuts are settled, for as long as there are records of them. */
export interface SettledMarks {
  /** Says so of these, in as few records as it takes. */
  write(cuts: readonly Held[]): void;
  /** Says so of those for which there was no room. */
  writeLeft(): void;
  /** The cut has records again: to say once more that it was settled would settle these. */
  comesAgain(cut: CutName): void;
  /** A segment is about to go: says again what only it says. True when nothing in it is needed any more. */
  leave(segment: Segment): boolean;
}

/** `found`: what was settled before this start. `onMark`: a record was written into that segment. */
export const createSettledMarks = (
  log: Pick<JournalLog, 'append'>,
  found: Iterable<SettledCut>,
  onMark: (segment: Segment) => void,
): SettledMarks => {
  /** Those whose records may outlast the mark that settles them. */
  const outlasting = new Map<string, SettledCut>([...found].map((cut) => [keyOf(cut), cut]));
  /** Of these, those without a mark. */
  const unmarked = new Set<SettledCut>([...outlasting.values()].filter(({ at }) => at === undefined));

  const markTogether = (cuts: readonly SettledCut[]): void => {
    const { machineId, cutId } = cuts[0]!;
    try {
      const subject = { type: RECORD_TYPE.settled, machineId, cutId, epochIndex: 0, firstFrame: 0, frames: 0, sums: NO_SUMS };
      const at = log.append(subject, encodeSettled(cuts.slice(1))).place.segment;
      for (const cut of cuts) {
        cut.at = at;
        unmarked.delete(cut);
      }
      onMark(at);
    } catch {
      // Full: without the mark a cut may be offered to the vault once more after a restart, which knows it then.
      for (const cut of cuts) {
        cut.at = undefined;
        unmarked.add(cut);
      }
    }
  };

  const mark = (cuts: readonly SettledCut[]): void => {
    for (let first = 0; first < cuts.length; first += MOST_SETTLED) markTogether(cuts.slice(first, first + MOST_SETTLED));
  };

  /** Of one that came again there may be records from before. */
  const settledCut = ({ machineId, cutId, segments }: Held): SettledCut => {
    const before = outlasting.get(keyOf({ machineId, cutId }))?.segments ?? [];
    return { machineId, cutId, segments: new Set([...segments, ...before]), at: undefined, cameAgain: false };
  };

  return {
    write(held) {
      const cuts = held.map(settledCut);
      mark(cuts);
      for (const cut of cuts) {
        // Where its mark is beside its records it goes with them: of so many that nothing has changed for, nothing is kept here.
        const outlasts = cut.at === undefined || [...cut.segments].some((segment) => segment !== cut.at);
        if (outlasts) outlasting.set(keyOf(cut), cut);
        else outlasting.delete(keyOf(cut));
      }
    },
    writeLeft() {
      if (unmarked.size > 0) mark([...unmarked]);
    },
    comesAgain(cut) {
      const before = outlasting.get(keyOf(cut));
      if (before === undefined) return;
      before.cameAgain = true;
      unmarked.delete(before);
    },
    leave(segment) {
      const again: SettledCut[] = [];
      for (const [key, cut] of outlasting) {
        cut.segments.delete(segment);
        if (cut.segments.size === 0) {
          outlasting.delete(key);
          unmarked.delete(cut);
        } else if (!cut.cameAgain && (cut.at === segment || cut.at === undefined)) again.push(cut);
      }
      mark(again);
      return again.every(({ at }) => at !== undefined && at !== segment);
    },
  };
};
