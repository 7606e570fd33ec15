import { HoldfastError } from '@holdfast/errors';
import type { Stored } from '../records/kind.ts';
import type { Transaction } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';
import type { JobPlan } from './job-plan.ts';
import { endedJobs, hasEnded, type JobRecord, jobs, jobTurns, openJobs, type StepRecord } from './job-record.ts';
import { openJobOf } from './open-job-of.ts';

const anew = ({ name }: StepRecord): StepRecord => ({ name, state: 'queued', started: 0, ended: 0, detail: '' });

/**
 * Puts a failed job back to work in the commit, at the step that failed or at an earlier one that its plan names. Throws JOB_RUNNING while it
 * or another job is at work, JOB_ENDED when it did not fail or cannot go on.
 */
export const retryJob = async (
  store: StateStore,
  transaction: Transaction,
  plan: JobPlan,
  { id, value: job }: Stored<JobRecord>,
  by: string,
): Promise<void> => {
  const thing = `job ${id}`;
  if (!hasEnded(job))
    throw new HoldfastError('JOB_RUNNING', { thing, why: 'it has not ended', remedy: 'wait for it, or answer what it asks' });
  if (job.state !== 'failed' || plan.retried === undefined)
    throw new HoldfastError('JOB_ENDED', {
      thing,
      why: job.state === 'failed' ? `a ${job.kind} that failed does not go on where it stopped` : `it has ${job.state}`,
      remedy: 'ask for it anew if it is still wanted',
    });
  if (job.machineId !== '') {
    const other = await openJobOf(store, job.machineId, transaction);
    if (other !== undefined)
      throw new HoldfastError('JOB_RUNNING', {
        thing,
        why: `job ${other.id} (${other.value.kind}) is at work on the machine`,
        remedy: 'wait for it, or cancel it',
      });
    transaction.put(jobTurns, job.machineId, { job: id });
  }
  const failed = job.steps.findIndex(({ state }) => state === 'failed');
  const from = await plan.retried(transaction, job, failed);
  const steps = job.steps.map((step, at) => (at < from ? step : anew(step)));
  const tries = (job.tries ?? 1) + 1;
  transaction.put(jobs, id, { ...job, state: 'queued', ended: 0, cancelling: false, problem: '', problemCode: '', steps, tries });
  transaction.delete(endedJobs, `${job.state}/${id}`);
  transaction.put(openJobs, id, {});
  transaction.event({
    severity: 'information',
    code: 'job-retried',
    text: `Job ${job.kind} goes on at "${job.steps[from]?.name ?? ''}"`,
    subject: job.machineId,
    actor: by,
  });
  transaction.audit({ actor: by, action: 'RetryJob', subject: job.machineId, detail: `${job.kind} ${id}` });
};
