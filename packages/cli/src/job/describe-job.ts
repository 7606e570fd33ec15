import { type Job, JobState, type Machine } from '@holdfast/protocol';
import { shortId } from '../choose/choose-resource.ts';
import type { Answer, Part } from '../output/answer.ts';
import { formatSeconds } from '../output/format.ts';
import { ago, instant } from '../site/times.ts';
import { directionWord, jobStateWord, stateCell } from '../site/words.ts';

export interface JobDescription {
  readonly id: string;
  readonly version: number;
  readonly kind: string;
  readonly state: string;
  readonly direction: string;
  readonly machine: { readonly id: string; readonly name: string } | null;
  readonly startedBy: string;
  readonly created: string | null;
  readonly ended: string | null;
  /** 0 to 1; null when it is not known. */
  readonly progress: number | null;
  readonly steps: readonly {
    readonly name: string;
    readonly state: string;
    readonly started: string | null;
    readonly ended: string | null;
    readonly detail: string;
  }[];
  readonly problem: { readonly code: string; readonly text: string } | null;
}

const ENDED: ReadonlySet<JobState> = new Set([JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED]);

export const hasEnded = ({ state }: Job): boolean => ENDED.has(state);

/** A job as programs get it. */
export const describeJob = (job: Job, machines: readonly Pick<Machine, 'id' | 'name'>[]): JobDescription => ({
  id: job.id,
  version: Number(job.version),
  kind: job.kind,
  state: jobStateWord(job.state),
  direction: directionWord(job.direction),
  machine: job.machineId === '' ? null : { id: job.machineId, name: machines.find(({ id }) => id === job.machineId)?.name ?? '' },
  startedBy: job.startedBy,
  created: instant(job.createdUnixMillis),
  ended: instant(job.endedUnixMillis),
  progress: job.progress < 0 ? null : job.progress,
  steps: job.steps.map(({ name, state, startedUnixMillis, endedUnixMillis, detail }) => ({
    name,
    state: jobStateWord(state),
    started: instant(startedUnixMillis),
    ended: instant(endedUnixMillis),
    detail,
  })),
  problem: job.problemCode === '' ? null : { code: job.problemCode, text: job.problem },
});

const progressWords = ({ state, progress }: JobDescription): string =>
  progress === null || state !== 'running' ? '' : `${Math.floor(progress * 100)} %`;

/** The words of the server begin with the code. */
const problemWords = ({ problem }: JobDescription): string => problem?.text ?? '';

const machineName = ({ machine }: JobDescription): string => machine?.name || (machine?.id ?? '');

export const jobsAnswer = (jobs: readonly JobDescription[], now: number): Answer => ({
  data: jobs,
  people:
    jobs.length === 0
      ? [{ line: 'There is no job.' }]
      : [
          {
            columns: [
              { heading: 'JOB' },
              { heading: 'KIND' },
              { heading: 'MACHINE', shrink: true },
              { heading: 'STATE' },
              { heading: 'DONE', right: true, optional: true },
              { heading: 'BEGAN', right: true, optional: true },
              { heading: 'BY', shrink: true, optional: true },
              { heading: 'PROBLEM', shrink: true },
            ],
            rows: jobs.map((job) => [
              shortId(job.id, jobs),
              job.kind,
              machineName(job),
              stateCell(job.state),
              progressWords(job),
              job.created === null ? '' : ago(BigInt(Date.parse(job.created)), now),
              job.startedBy,
              problemWords(job),
            ]),
          },
        ],
});

/** One job with its steps. */
export const jobAnswer = (job: JobDescription): Answer => ({
  data: job,
  people: [
    { line: `Job ${job.id}: ${[job.kind, machineName(job)].filter((word) => word !== '').join(' ')}, ${job.state}` },
    ...(job.problem === null ? [] : [{ line: problemWords(job) }]),
    ...(job.steps.length === 0 ? [] : [stepsPart(job)]),
  ],
});

const stepsPart = ({ steps }: JobDescription): Part => ({
  columns: [{ heading: 'STEP', shrink: true }, { heading: 'STATE' }, { heading: 'TOOK', right: true }, { heading: 'DETAIL', shrink: true }],
  rows: steps.map(({ name, state, started, ended, detail }) => [
    name,
    stateCell(state),
    started === null || ended === null ? '' : formatSeconds((Date.parse(ended) - Date.parse(started)) / 1000),
    detail,
  ]),
});
