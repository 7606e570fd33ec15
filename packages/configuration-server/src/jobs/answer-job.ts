import { HoldfastError } from '@holdfast/errors';
import type { Stored } from '../records/kind.ts';
import type { Transaction } from '../records/transaction.ts';
import { checkLine, requestInvalid } from '../request-invalid.ts';
import { currentStep, type JobRecord, jobs, questionOf } from './job-record.ts';

const LONGEST_NOTE = 1000;

/** What somebody says to a job that waits. */
export interface Said {
  /** Id of the question; empty: the one that stands. */
  readonly question: string;
  readonly choice: string;
  readonly note: string;
  readonly by: string;
}

/** Puts the answer into the commit; the engine goes on with it. Throws JOB_NOT_WAITING, REQUEST_INVALID. */
export const answerJob = (transaction: Transaction, { id, value: job }: Stored<JobRecord>, said: Said): void => {
  const asked = questionOf(job);
  if (asked === undefined || (said.question !== '' && said.question !== asked.id))
    throw new HoldfastError('JOB_NOT_WAITING', {
      thing: `job ${id}`,
      why: asked === undefined ? 'it waits for no answer' : 'it asks something else by now',
      remedy: 'look at it with `holdfast job show`',
    });
  const { choice, note, by } = said;
  checkLine(note, 'note', LONGEST_NOTE);
  if (!asked.choices.some(({ word }) => word === choice))
    throw requestInvalid('choice', `it is not one of ${asked.choices.map(({ word }) => word).join(', ')}`, 'choose one of these');
  const index = currentStep(job);
  const answer = { choice, note, by, at: Date.now() };
  const steps = job.steps.map((step, at) => (at === index ? { ...step, state: 'running' as const, answer } : step));
  transaction.put(jobs, id, { ...job, state: 'running', steps });
  transaction.audit({
    actor: by,
    action: 'AnswerJob',
    subject: job.machineId,
    detail: `${job.kind} ${id}: ${choice}${note === '' ? '' : `, ${note}`}`,
  });
};
