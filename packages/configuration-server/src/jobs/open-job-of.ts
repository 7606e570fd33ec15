import { find, listPage, type Stored } from '../records/kind.ts';
import type { Transaction } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';
import { hasEnded, type JobRecord, jobs, jobsOf, jobTurns } from './job-record.ts';

/** Jobs looked at: the newest of a machine; older ones have ended long ago, but for one that was begun again. */
const NEWEST = 10;

/** The job that is at work on a machine, if there is one. Within `transaction` none can be started before its commit without being seen. */
export const openJobOf = async (
  store: StateStore,
  machineId: string,
  transaction?: Pick<Transaction, 'read'>,
): Promise<Stored<JobRecord> | undefined> => {
  const turn = await (transaction === undefined ? find(store, jobTurns, machineId) : transaction.read(jobTurns, machineId));
  const newest = turn === undefined ? undefined : await find(store, jobs, turn.value.job);
  if (newest !== undefined && !hasEnded(newest.value)) return newest;
  const { rows } = await listPage(store, jobsOf, NEWEST, undefined, `${machineId}/`);
  for (const { id } of rows) {
    const job = await find(store, jobs, id.slice(machineId.length + 1));
    // A proof is in nobody's way.
    if (job !== undefined && !hasEnded(job.value) && job.value.kind !== 'proof') return job;
  }
  return undefined;
};
