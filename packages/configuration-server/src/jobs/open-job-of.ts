import { find, listPage, type Stored } from '../records/kind.ts';
import type { StateStore } from '../state/state-store.ts';
import { hasEnded, type JobRecord, jobs, jobsOf } from './job-record.ts';

/** Jobs looked at: the newest of a machine; older ones have ended long ago. */
const NEWEST = 10;

/** The job that is at work on a machine, if there is one. */
export const openJobOf = async (store: StateStore, machineId: string): Promise<Stored<JobRecord> | undefined> => {
  const { rows } = await listPage(store, jobsOf, NEWEST, undefined, `${machineId}/`);
  for (const { id } of rows) {
    const job = await find(store, jobs, id.slice(machineId.length + 1));
    if (job !== undefined && !hasEnded(job.value)) return job;
  }
  return undefined;
};
