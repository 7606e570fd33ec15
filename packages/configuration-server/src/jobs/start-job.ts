import type { Stored } from '../records/kind.ts';
import type { Transaction } from '../records/transaction.ts';
import { type JobPlan, stepsOf } from './job-plan.ts';
import { type JobRecord, jobs, jobsOf, jobTurns, newJobId, openJobs } from './job-record.ts';

/** Puts a new job into a commit; the engine begins with it as soon as the commit is made. One that takes no turn of its machine is in nobody's way. */
export const startJob = (
  transaction: Transaction,
  plan: Pick<JobPlan, 'steps'>,
  about: Pick<JobRecord, 'kind' | 'machineId' | 'protectionId' | 'startedBy' | 'input' | 'direction'> & {
    readonly wantedServer?: string;
    readonly takesTurn?: boolean;
  },
): Omit<Stored<JobRecord>, 'version'> => {
  const { takesTurn = true, ...told } = about;
  const id = newJobId();
  const value: JobRecord = {
    wantedServer: '',
    ...told,
    state: 'queued',
    created: Date.now(),
    ended: 0,
    steps: stepsOf(plan, about).map(({ name }) => ({ name, state: 'queued', started: 0, ended: 0, detail: '' })),
    cancelling: false,
    problemCode: '',
    problem: '',
  };
  transaction.put(jobs, id, value);
  transaction.put(openJobs, id, {});
  // One that is about several machines takes the turn of none.
  if (about.machineId !== '') {
    transaction.put(jobsOf, `${about.machineId}/${id}`, {});
    if (takesTurn) transaction.put(jobTurns, about.machineId, { job: id });
  }
  return { id, key: jobs.key(id), value };
};
