import { create } from '@bufbuild/protobuf';
import { type Ageing, AgeingSchema, type AgeMark, AgeMarkSchema, type Catalogue } from '@holdfast/protocol';

/*
 * How long cuts are in the vault, by the clock of the store: their own times come from machines, whose clocks may be wrong, and from whoever may append.
 * docs/format.md, "Ageing".
 */

/** Longer steps of the store's clock, in milliseconds, count for nothing: nobody wrote, or the clock of a server that is store and source was set. */
const LONGEST_STEP = 3 * 24 * 3_600_000;
/** An age is too small by this part of it at most: there are as many marks as that takes, not as many as turns of keepers. */
const PRECISION = 16;
/** More than keepers ever leave: of a hundred years there are 700. */
export const MARKS_LIMIT = 4096;

/**
 * What a keeper says who publishes upon a version: with a mark for the cuts that came since the last one. `created`: when the store created versions, as far as is
 * known; between two marks each step from one to the next counts.
 */
export const aged = (
  { ageing: before }: Catalogue,
  upon: { readonly version: number; readonly catalogue: Pick<Catalogue, 'cuts'> },
  created: ReadonlyMap<number, number>,
): Pick<Catalogue, 'ageing'> => {
  const { version } = upon;
  const { cuts } = upon.catalogue;
  const at = created.get(version);
  const last = before?.marks.at(-1);
  if (at === undefined || cuts <= (last?.cuts ?? 0n)) return before === undefined ? {} : { ageing: before };
  let elapsed = Number(last?.elapsedMillis ?? 0n);
  let time = before === undefined ? at : Number(before.createdUnixMillis);
  const since = [...created.keys()].filter((one) => one > Number(before?.version ?? 0n) && one <= version).toSorted((a, b) => a - b);
  for (const one of since) {
    const step = created.get(one)! - time;
    if (step > 0 && step <= LONGEST_STEP) elapsed += step;
    time = created.get(one)!;
  }
  const mark = create(AgeMarkSchema, { cuts, elapsedMillis: BigInt(elapsed) });
  const marks = sparse([...(before?.marks ?? []), mark]);
  return { ageing: create(AgeingSchema, { marks, version: BigInt(version), createdUnixMillis: BigInt(at) }) };
};

/** The marks that it takes: the older, the farther apart. */
const sparse = (marks: readonly AgeMark[]): AgeMark[] => {
  const newest = Number(marks.at(-1)!.elapsedMillis);
  const kept: AgeMark[] = [];
  for (const [index, mark] of [...marks.entries()].toReversed()) {
    const next = kept.at(-1);
    const older = marks[index - 1];
    if (next !== undefined && older !== undefined) {
      const elapsed = Number(next.elapsedMillis);
      // Without this mark what came with it came with the next one.
      if ((elapsed - Number(older.elapsedMillis)) * PRECISION <= newest - elapsed) continue;
    }
    kept.push(mark);
  }
  return kept.toReversed();
};

/** When a cut was in the vault at the latest, in milliseconds since the first mark: by numbers that do not get smaller. */
export const cameBy = (ageing: Ageing | undefined): ((cut: number) => number) => {
  const marks = (ageing?.marks ?? []).map(({ cuts, elapsedMillis }) => ({ cuts: Number(cuts), elapsed: Number(elapsedMillis) }));
  let at = 0;
  return (cut) => {
    while (at < marks.length - 1 && marks[at]!.cuts <= cut) at += 1;
    return marks[at]?.elapsed ?? 0;
  };
};

/** False for what no keeper writes. */
export const isAgeing = ({ marks, version, createdUnixMillis }: Ageing, cuts: bigint): boolean => {
  const isSafe = [version, createdUnixMillis, marks.at(-1)?.elapsedMillis ?? 0n].every(
    (number) => number <= BigInt(Number.MAX_SAFE_INTEGER),
  );
  const isInOrder = marks.every(
    (mark, i) => i === 0 || (mark.cuts > marks[i - 1]!.cuts && mark.elapsedMillis >= marks[i - 1]!.elapsedMillis),
  );
  return isSafe && isInOrder && marks.length > 0 && marks.length <= MARKS_LIMIT && marks.at(-1)!.cuts <= cuts;
};
