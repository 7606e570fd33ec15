import { type Recovery, RecoveryKind, type RecoveryPoint, RecoveryStage, RecoveryState } from '@holdfast/protocol';
import { shortId } from '../choose/choose-resource.ts';
import type { Answer, Part } from '../output/answer.ts';
import { formatBytes, formatSeconds, formatTime } from '../output/format.ts';
import type { Cell } from '../output/table.ts';
import { describeProof, type ProofDescription, provenWords, type SiteWriting, writingLines } from '../proof/describe-proof.ts';
import { pointKindWord } from '../site/point-kind.ts';
import { instant } from '../site/times.ts';
import { directionWord, stateCell } from '../site/words.ts';

const UNKNOWN = 'unknown';

const KINDS: Readonly<Record<number, string>> = { [RecoveryKind.TEST]: 'test', [RecoveryKind.FAILOVER]: 'failover' };
const STATES: Readonly<Record<number, string>> = {
  [RecoveryState.STARTING]: 'starting',
  [RecoveryState.RUNNING]: 'running',
  [RecoveryState.COMMITTED]: 'committed',
  [RecoveryState.FORGOTTEN]: 'forgotten',
  [RecoveryState.ENDING]: 'ending',
  [RecoveryState.ENDED]: 'ended',
  [RecoveryState.FAILED]: 'failed',
};

export interface PointDescription {
  readonly id: string;
  readonly time: string;
  readonly ageSeconds: number;
  readonly kind: string;
  readonly changedBytes: number;
  readonly unreadableBytes: number;
  readonly disks: readonly string[];
  readonly notYetCopied: readonly string[];
  readonly excluded: readonly string[];
  readonly held: boolean;
  /** The newest proof of it; null where it was never tried. */
  readonly proof: ProofDescription | null;
  /** "unusual" in a time in which the machine wrote as it never did before, "suspicious" where it wrote over what was there; else empty. */
  readonly writing: '' | 'unusual' | 'suspicious';
  readonly lastBeforeUnusual: boolean;
}

export const describePoint = (point: RecoveryPoint, now: number): PointDescription => ({
  id: point.id,
  time: formatTime(Number(point.unixMillis)),
  ageSeconds: Math.round((now - Number(point.unixMillis)) / 1000),
  kind: pointKindWord(point.kind),
  changedBytes: Number(point.changedBytes),
  unreadableBytes: Number(point.unreadableBytes),
  disks: point.disks,
  notYetCopied: point.disksNotYetCopied,
  excluded: point.disksExcluded,
  held: point.held,
  proof: describeProof(point.proof),
  writing: point.suspicious ? 'suspicious' : point.unusual ? 'unusual' : '',
  lastBeforeUnusual: point.lastBeforeUnusual,
});

/** What somebody should know of a point before it is used. */
const notes = ({ held, unreadableBytes, notYetCopied, excluded, writing, lastBeforeUnusual }: PointDescription): string =>
  [
    ...(writing === '' ? [] : [`${writing} writing`]),
    ...(lastBeforeUnusual ? ['last before unusual writing'] : []),
    ...(held ? ['held'] : []),
    ...(unreadableBytes > 0 ? [`not good: ${formatBytes(unreadableBytes)} could not be read`] : []),
    ...(notYetCopied.length > 0 ? [`without ${notYetCopied.join(', ')}, not yet copied`] : []),
    ...(excluded.length > 0 ? [`without ${excluded.join(', ')}, excluded`] : []),
  ].join('; ');

/** What is known of a machine's points beyond those that are told. */
export interface PointsAround {
  readonly writings: readonly SiteWriting[];
  readonly lastProven: ProofDescription | null;
}

const proofCell = ({ proof }: PointDescription): Cell => {
  if (proof === null) return '';
  return proof.passed ? { text: 'proven', tone: 'good' } : { text: 'NOT PROVEN', tone: 'bad' };
};

export const pointsAnswer = (points: readonly PointDescription[], total: number, around?: PointsAround): Answer => ({
  data: points,
  people:
    points.length === 0
      ? [{ line: 'There is no recovery point.' }]
      : [
          {
            columns: [
              { heading: 'POINT' },
              { heading: 'TIME' },
              { heading: 'AGE', right: true },
              { heading: 'KIND' },
              { heading: 'CHANGED', right: true, optional: true },
              { heading: 'PROOF' },
              { heading: 'DISKS', shrink: true, optional: true },
              { heading: 'NOTES', shrink: true },
            ],
            rows: points.map((point) => [
              shortId(point.id, points),
              point.time,
              point.ageSeconds < 0 ? 'future' : formatSeconds(point.ageSeconds),
              point.kind,
              formatBytes(point.changedBytes),
              proofCell(point),
              point.disks.join(', '),
              notes(point),
            ]),
          },
          ...(total > points.length ? [{ line: `${points.length} of ${total}; --limit and --before tell others.` }] : []),
          ...(around?.writings ?? []).flatMap(writingLines),
          ...(around === undefined || around.lastProven === null ? [] : [{ line: `Last proven point: ${provenWords(around.lastProven)}` }]),
        ],
});

export interface RecoveryDescription {
  readonly id: string;
  readonly kind: string;
  readonly direction: string;
  readonly machine: { readonly id: string; readonly name: string };
  readonly state: string;
  readonly point: { readonly id: string; readonly time: string; readonly kind: string } | null;
  readonly vault: string;
  readonly processServer: string;
  readonly fabric: string;
  readonly network: string;
  readonly startedBy: string;
  readonly created: string | null;
  readonly ended: string | null;
  /** From the order to the running machine. */
  readonly startSeconds: number | null;
  readonly now: string;
  /** Of the machine itself; null while it is not known. */
  readonly running: {
    readonly state: string;
    readonly console: string;
    readonly hydrated: number;
    /** What was changed so that it starts there. */
    readonly adaptation: readonly string[];
  } | null;
  readonly problem: { readonly code: string; readonly text: string; readonly remedy: string } | null;
  readonly sourceShutdown: string;
  readonly notes: string;
  readonly job: string;
}

export const describeRecovery = (recovery: Recovery): RecoveryDescription => {
  const { point, target, report, kind } = recovery;
  const isTest = kind === RecoveryKind.TEST;
  return {
    id: recovery.id,
    kind: KINDS[kind] ?? UNKNOWN,
    direction: directionWord(recovery.direction),
    machine: { id: recovery.machineId, name: recovery.machineName },
    state: STATES[recovery.state] ?? UNKNOWN,
    point: point === undefined ? null : { id: point.id, time: formatTime(Number(point.unixMillis)), kind: pointKindWord(point.kind) },
    vault: recovery.vault,
    processServer: recovery.processServerId,
    fabric: target?.fabric ?? '',
    network: (isTest ? target?.testNetwork : target?.network) || 'isolated',
    startedBy: recovery.startedBy,
    created: instant(recovery.createdUnixMillis),
    ended: instant(recovery.endedUnixMillis),
    startSeconds: recovery.startMillis === 0n ? null : Number(recovery.startMillis) / 1000,
    now: report === undefined ? '' : `${report.stage === RecoveryStage.WORKING ? 'under way: ' : ''}${report.detail}`,
    running:
      report?.machine === undefined
        ? null
        : {
            state: report.machine.state,
            console: report.machine.console,
            hydrated: report.machine.hydrated,
            adaptation: report.machine.adaptation,
          },
    problem:
      report === undefined || report.problemCode === '' ? null : { code: report.problemCode, text: report.problem, remedy: report.remedy },
    sourceShutdown: recovery.sourceShutdown,
    notes: recovery.notes,
    job: recovery.jobId,
  };
};

export const recoveriesAnswer = (recoveries: readonly RecoveryDescription[]): Answer => ({
  data: recoveries,
  people:
    recoveries.length === 0
      ? [{ line: 'There is no recovery.' }]
      : [
          {
            columns: [
              { heading: 'RECOVERY' },
              { heading: 'MACHINE', shrink: true },
              { heading: 'KIND' },
              { heading: 'DIRECTION', optional: true },
              { heading: 'STATE' },
              { heading: 'POINT' },
              { heading: 'STARTED IN', right: true, optional: true },
              { heading: 'NOW', shrink: true },
            ],
            rows: recoveries.map((one) => [
              shortId(one.id, recoveries),
              one.machine.name,
              one.kind,
              one.direction,
              stateCell(one.state),
              one.point?.time ?? '',
              one.startSeconds === null ? '' : `${one.startSeconds.toFixed(1)} s`,
              one.problem?.text ?? (one.notes || (one.running?.state ?? one.now)),
            ]),
          },
        ],
});

const line = (label: string, value: string): Part[] => (value === '' ? [] : [{ line: `  ${label.padEnd(10)} ${value}` }]);

export const recoveryAnswer = (one: RecoveryDescription): Answer => ({
  data: one,
  people: [
    { line: `${one.kind} of ${one.machine.name} (${one.id})` },
    ...line('direction', one.direction === 'forward' ? 'forward: source to recovery site' : one.direction),
    ...line('state', one.state),
    ...line('point', one.point === null ? '' : `${one.point.id} of ${one.point.time}, ${one.point.kind}`),
    ...line('runs on', `${one.fabric}, network ${one.network}`),
    ...line(
      'started',
      `${one.created ?? ''} by ${one.startedBy}${one.startSeconds === null ? '' : `, ran after ${one.startSeconds.toFixed(1)} s`}`,
    ),
    ...line('ended', one.ended ?? ''),
    ...line('machine', one.running === null ? '' : `${one.running.state}, ${Math.floor(one.running.hydrated * 100)} % of its disks copied`),
    ...line('console', one.running?.console ?? ''),
    ...(one.running?.adaptation ?? []).flatMap((change) => line('adapted', change)),
    ...line('now', one.now),
    ...line('problem', one.problem === null ? '' : `[${one.problem.code}] ${one.problem.text}; ${one.problem.remedy}`),
    ...line('source', one.sourceShutdown),
    ...line('notes', one.notes),
    ...line('job', one.job),
  ],
});
