import { create } from '@bufbuild/protobuf';
import { Direction, type Job, JobSchema, JobState } from '@holdfast/protocol';
import { type JobRecord, questionOf, type StepProgress, type StepState } from './job-record.ts';

const STATES: Readonly<Record<StepState, JobState>> = {
  queued: JobState.QUEUED,
  running: JobState.RUNNING,
  waiting: JobState.WAITING_FOR_INPUT,
  succeeded: JobState.SUCCEEDED,
  failed: JobState.FAILED,
  cancelled: JobState.CANCELLED,
};

/** The states of jobs that a message's state stands for; undefined for one that is none. */
export const stateOf = (wanted: JobState): StepState | undefined =>
  (Object.entries(STATES) as [StepState, JobState][]).find(([, state]) => state === wanted)?.[0];

export interface JobMessageParts {
  readonly id: string;
  readonly version: number;
  readonly value: JobRecord;
  /** How far the step under way is. */
  readonly now?: StepProgress | undefined;
  /** Whether its kind can go on after a failure. */
  readonly retryable?: boolean;
}

/** A job as people see it. */
export const jobMessage = ({ id, version, value: job, now, retryable = false }: JobMessageParts): Job => {
  const question = questionOf(job);
  return create(JobSchema, {
    id,
    version: BigInt(version),
    kind: job.kind,
    state: STATES[job.state],
    direction: job.direction === 'reverse' ? Direction.REVERSE : Direction.FORWARD,
    machineId: job.machineId,
    startedBy: job.startedBy,
    createdUnixMillis: BigInt(job.created),
    endedUnixMillis: BigInt(job.ended),
    progress: job.state === 'succeeded' ? 1 : (now?.fraction ?? -1),
    problemCode: job.problemCode,
    problem: job.problem,
    retryable: retryable && job.state === 'failed',
    tries: job.tries ?? 1,
    input: job.input ?? {},
    ...(question === undefined
      ? {}
      : {
          question: {
            id: question.id,
            text: question.text,
            choices: question.choices.map(({ word, meaning }) => ({ word, meaning })),
            askedUnixMillis: BigInt(question.asked),
            failure: question.failure !== undefined,
          },
        }),
    steps: job.steps.map(({ name, state, started, ended, detail, answer }) => ({
      name,
      state: STATES[state],
      startedUnixMillis: BigInt(started),
      endedUnixMillis: BigInt(ended),
      detail: state === 'running' && now !== undefined ? now.detail : detail,
      ...(answer === undefined
        ? {}
        : { answer: { choice: answer.choice, note: answer.note, answeredBy: answer.by, answeredUnixMillis: BigInt(answer.at) } }),
    })),
  });
};
