import { HoldfastError } from '@holdfast/errors';
import { newId } from '@holdfast/protocol';
import type { Transaction } from '../records/transaction.ts';
import type { Question } from './job-plan.ts';
import type { Choice, JobRecord, StepQuestion, StepRecord } from './job-record.ts';

type Failure = Pick<HoldfastError, 'code' | 'thing' | 'why' | 'remedy'>;

const AFTER_FAILURE: readonly Choice[] = [
  { word: 'retry', meaning: 'do the step again' },
  { word: 'skip', meaning: 'leave the step out and go on' },
  { word: 'fail', meaning: 'end the job' },
];

/** What is asked when a step failed for good. */
export const failureQuestion = (step: string, { code, thing, why, remedy, message }: HoldfastError): Question & { failure: Failure } => ({
  text: `${step} failed: ${message}`,
  choices: AFTER_FAILURE,
  failure: { code, thing, why, remedy },
});

/** A question with an id of its own, so that an answer to an earlier one is not taken for its answer. */
export const newQuestion = (question: Question & { readonly failure?: Failure }): StepQuestion => ({
  ...question,
  id: newId(),
  asked: Date.now(),
});

/** The error that a step failed with. */
export const failureOf = ({ code, thing, why, remedy }: Failure): HoldfastError => new HoldfastError(code, { thing, why, remedy });

/** Says in the same commit that somebody has to answer. */
export const tellQuestion = (transaction: Transaction, id: string, job: JobRecord, { text, choices }: StepQuestion): void =>
  transaction.event({
    severity: 'warning',
    code: 'job-waiting',
    text: `Job ${job.kind} waits for an answer (${choices.map(({ word }) => word).join(', ')}): ${text}; \`holdfast job answer ${id.slice(0, 12)}\``,
    subject: job.machineId,
    actor: `job ${id.slice(0, 8)}`,
  });

const withoutQuestion = ({ question: _, answer: __, ...step }: StepRecord): StepRecord => step;

/** The job as it goes on after "retry". */
export const tryAgain = (job: JobRecord, index: number): JobRecord => ({
  ...job,
  steps: job.steps.map((step, at) => (at === index ? withoutQuestion(step) : step)),
});

/** The job as it goes on after "skip". */
export const leaveOut = (job: JobRecord, index: number): JobRecord => {
  const ended = Date.now();
  const isLast = index === job.steps.length - 1;
  return {
    ...job,
    ...(isLast ? { state: 'succeeded' as const, ended } : {}),
    steps: job.steps.map((step, at) => {
      if (at !== index) return step;
      const { question, answer } = step;
      return { ...step, state: 'cancelled', ended, detail: `left out by ${answer?.by ?? 'somebody'}: ${question?.failure?.why ?? ''}` };
    }),
  };
};
