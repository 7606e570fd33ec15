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
  /** Seconds from its beginning to its end, or until now. */
  readonly seconds: number | null;
  /** How often it was begun. */
  readonly tries: number;
  /** It failed, and `job retry` lets it go on where it stopped. */
  readonly retryable: boolean;
  readonly input: Readonly<Record<string, string>>;
  /** What it waits for somebody to say; null when it does not wait. */
  readonly question: {
    readonly id: string;
    readonly text: string;
    readonly choices: readonly { readonly word: string; readonly meaning: string }[];
    readonly asked: string | null;
    readonly failure: boolean;
  } | null;
  readonly steps: readonly {
    readonly name: string;
    readonly state: string;
    readonly started: string | null;
    readonly ended: string | null;
    readonly detail: string;
    readonly answer: { readonly choice: string; readonly note: string; readonly by: string; readonly at: string | null } | null;
  }[];
  readonly problem: { readonly code: string; readonly text: string } | null;
}

const ENDED: ReadonlySet<JobState> = new Set([JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED]);

export const hasEnded = ({ state }: Job): boolean => ENDED.has(state);

const questionOf = ({ question }: Job): JobDescription['question'] =>
  question === undefined
    ? null
    : {
        id: question.id,
        text: question.text,
        choices: question.choices.map(({ word, meaning }) => ({ word, meaning })),
        asked: instant(question.askedUnixMillis),
        failure: question.failure,
      };

const secondsOf = ({ createdUnixMillis: from, endedUnixMillis: to }: Job, now: number): number | null =>
  from === 0n ? null : Math.max(0, ((to === 0n ? now : Number(to)) - Number(from)) / 1000);

/** A job as programs get it. */
export const describeJob = (job: Job, machines: readonly Pick<Machine, 'id' | 'name'>[], now = Date.now()): JobDescription => ({
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
  seconds: secondsOf(job, now),
  tries: job.tries,
  retryable: job.retryable,
  input: job.input,
  question: questionOf(job),
  steps: job.steps.map(({ name, state, startedUnixMillis, endedUnixMillis, detail, answer }) => ({
    name,
    state: jobStateWord(state),
    started: instant(startedUnixMillis),
    ended: instant(endedUnixMillis),
    detail,
    answer:
      answer === undefined
        ? null
        : { choice: answer.choice, note: answer.note, by: answer.answeredBy, at: instant(answer.answeredUnixMillis) },
  })),
  problem: job.problemCode === '' ? null : { code: job.problemCode, text: job.problem },
});

const progressWords = ({ state, progress }: JobDescription): string =>
  progress === null || state !== 'running' ? '' : `${Math.floor(progress * 100)} %`;

/** What somebody should know first: what it asks, else what is wrong. The words of the server begin with the code. */
const problemWords = ({ problem, question }: JobDescription): string => question?.text ?? problem?.text ?? '';

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
              { heading: 'TOOK', right: true, optional: true },
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
              job.seconds === null ? '' : formatSeconds(job.seconds),
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
    ...(job.problem === null ? [] : [{ line: job.problem.text }]),
    ...aboutLines(job),
    ...(job.steps.length === 0 ? [] : [stepsPart(job)]),
  ],
});

const aboutLines = ({ id, direction, startedBy, seconds, tries, retryable, input, question }: JobDescription): Part[] => {
  const about = [
    ...(startedBy === '' ? [] : [`begun by ${startedBy}`]),
    ...(seconds === null ? [] : [`${formatSeconds(seconds)}`]),
    ...(tries > 1 ? [`begun ${tries} times`] : []),
    ...(direction === 'reverse' ? ['on the way home'] : []),
    ...Object.entries(input).map(([name, value]) => `${name} ${value}`),
  ];
  const short = id.slice(0, 12);
  return [
    ...(about.length === 0 ? [] : [{ line: about.join(', ') }]),
    ...(retryable ? [{ line: `It can go on where it stopped: \`holdfast job retry ${short}\`.` }] : []),
    ...(question === null
      ? []
      : [
          { line: `It waits for an answer: ${question.text}` },
          ...question.choices.map(({ word, meaning }) => ({ line: `  holdfast job answer ${short} ${word}   ${meaning}` })),
        ]),
  ];
};

const stepsPart = ({ steps }: JobDescription): Part => ({
  columns: [{ heading: 'STEP', shrink: true }, { heading: 'STATE' }, { heading: 'TOOK', right: true }, { heading: 'DETAIL', shrink: true }],
  rows: steps.map(({ name, state, started, ended, detail }) => [
    name,
    stateCell(state),
    started === null || ended === null ? '' : formatSeconds((Date.parse(ended) - Date.parse(started)) / 1000),
    detail,
  ]),
});
