import { isSuccess, type Outcome } from '../outcome.ts';
import { formatBytes, formatClock, formatCount, formatRate, formatSeconds } from './format.ts';
import { type LabReport, summarize } from './report.ts';
import { table } from './table.ts';

/** The report of a run; `supervisor` is this process's own CPU time in seconds. */
export const reportOf = (outcome: Outcome, supervisor: number): LabReport => {
  const { protection, figures, kills, checked, made, lost, resyncs, vault, cpuSeconds } = outcome;
  return {
    points: { made, verified: checked.length, bad: checked.filter(({ good }) => !good).length + lost.length },
    resyncs: resyncs.length,
    kills,
    rpoSeconds: summarize(protection.rpo),
    initial: { megabytesPerSecond: protection.copySeconds > 0 ? protection.copiedBytes / 1e6 / protection.copySeconds : 0 },
    bytes: { changed: figures.changed, sent: figures.sent, stored: vault.storedBytes },
    cpuSeconds: { ...cpuSeconds, supervisor },
  };
};

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);

const orNone = (seconds: number | null): string => (seconds === null ? 'none' : formatSeconds(seconds));

const skippedWords = (skipped: number): string =>
  skipped === 0 ? '' : `, ${formatCount(skipped)} skipped because the disks were too busy`;

/** `processServer` as people write it. */
const wordsOf = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

const pointsTable = ({ checked }: Outcome): string[] => {
  const checks = [...new Set(checked.flatMap(({ verdicts }) => verdicts.map(({ check }) => check)))];
  const rows = checked.map(({ time, chosen, verdicts, good }) => [
    formatClock(time),
    chosen,
    ...checks.map((check) => {
      const verdict = verdicts.find((one) => one.check === check);
      if (verdict === undefined) return 'not reached';
      return verdict.good ? verdict.says : 'BAD';
    }),
    good ? 'good' : 'BAD',
  ]);
  return table(['point', 'chosen', ...checks, 'verdict'], rows);
};

const faultLines = ({ checked, lost, resyncs, vault }: Outcome): string[] => [
  ...checked.flatMap(({ time, id, verdicts }) =>
    verdicts.flatMap(({ check, faults }) => faults.map((fault) => `BAD: point ${formatClock(time)} (${id}), ${check}: ${fault}`)),
  ),
  ...lost.map((time) => `BAD: point ${formatClock(time)} was promised to be durable and is not in the vault`),
  ...vault.damage.map((fault) => `BAD: vault: ${fault}`),
  ...resyncs.map((reason) => `RESYNCHRONIZED: ${reason}`),
];

const verdictOf = (outcome: Outcome, { points, resyncs }: LabReport): string => {
  if (points.verified === 0) return 'There is no point to recover: the demonstration failed.';
  if (!isSuccess(outcome)) return `The demonstration failed: ${points.bad} bad points, resynchronized ${times(resyncs)}.`;
  if (points.verified === 1) return 'The recovered point is exactly the machine as it was at its instant.';
  return `All ${points.verified} recovered points are exactly the machine as it was at their instants.`;
};

/** The last page: what happened, what it cost, point by point what was found, and the verdict. */
export const summary = (outcome: Outcome, report: LabReport): string[] => {
  const { points, rpoSeconds, bytes, kills, resyncs, initial } = report;
  const { copiedBytes, copySeconds } = outcome.protection;
  return [
    '',
    ...table(
      ['measured', ''],
      [
        ['first copy', `${formatBytes(copiedBytes)} in ${formatSeconds(copySeconds)}, ${formatRate(initial.megabytesPerSecond * 1e6)}`],
        ['points', `${formatCount(points.made)} made${skippedWords(outcome.figures.skipped)}`],
        [
          'RPO',
          `half of the time below ${orNone(rpoSeconds.p50)}, 95 % below ${orNone(rpoSeconds.p95)}, at most ${orNone(rpoSeconds.max)}`,
        ],
        [
          'SIGKILL',
          `agent ${times(kills.agent)}, process server ${times(kills.processServer)}; ${resyncs === 0 ? 'no disk was resynchronized' : `resynchronized ${times(resyncs)}`}`,
        ],
        ['after the first copy', `${formatBytes(bytes.changed)} changed, ${formatBytes(bytes.sent)} sent`],
        ['vault', `${formatBytes(bytes.stored)}, encrypted; all of its ${formatCount(outcome.vault.frames)} frames read and checked`],
        [
          'CPU',
          Object.entries(report.cpuSeconds)
            .map(([name, seconds]) => `${wordsOf(name)} ${formatSeconds(seconds)}`)
            .join(', '),
        ],
      ],
    ),
    '',
    ...pointsTable(outcome),
    '',
    ...faultLines(outcome),
    verdictOf(outcome, report),
  ];
};
