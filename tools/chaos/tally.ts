import type { Resync, Verdict } from './scenario.ts';

/** What a run has seen so far. */
export interface Tally {
  readonly faults: number;
  readonly points: number;
  readonly resyncs: readonly Resync[];
  readonly wrong: readonly string[];
  readonly lost: readonly string[];
  /** Actions that threw or never ended. */
  readonly broken: readonly string[];
}

export const EMPTY_TALLY: Tally = { faults: 0, points: 0, resyncs: [], wrong: [], lost: [], broken: [] };

export const addTallies = (a: Tally, b: Tally): Tally => ({
  faults: a.faults + b.faults,
  points: a.points + b.points,
  resyncs: [...a.resyncs, ...b.resyncs],
  wrong: [...a.wrong, ...b.wrong],
  lost: [...a.lost, ...b.lost],
  broken: [...a.broken, ...b.broken],
});

export const addVerdict = (tally: Tally, verdict: Verdict): Tally => addTallies(tally, { ...verdict, faults: 0, broken: [] });

const unexplained = ({ resyncs }: Tally): Resync[] => resyncs.filter(({ explainedBy }) => explainedBy === undefined);

/** Everything that makes the run a failure, one line each; empty as long as all is well. */
export const complaintsOf = (tally: Tally): string[] => [
  ...tally.wrong.map((line) => `wrong: ${line}`),
  ...tally.lost.map((line) => `lost: ${line}`),
  ...unexplained(tally).map(({ reason }) => `resync nobody can explain: ${reason}`),
  ...tally.broken.map((line) => `broken: ${line}`),
];

/** The last line of a run. */
export const formatTally = (tally: Tally): string => {
  const open = unexplained(tally).length;
  const resyncs = `${tally.resyncs.length} resyncs (${open === 0 ? 'each explained' : `${open} unexplained`})`;
  return `${tally.faults} faults, ${tally.points} points verified, ${resyncs}, ${tally.wrong.length} wrong, ${tally.lost.length} lost`;
};

/** Exit statuses of docs/errors.md. */
const STATUS = { well: 0, notWell: 1, interrupted: 130 };

/** The exit status of a run. A run that verified nothing proves nothing, so it has failed too. */
export const statusOf = (tally: Tally, interrupted: boolean): number => {
  if (complaintsOf(tally).length > 0) return STATUS.notWell;
  if (interrupted) return STATUS.interrupted;
  return tally.points === 0 ? STATUS.notWell : STATUS.well;
};
