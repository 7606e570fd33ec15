import { find, listPage, type Page, type Stored } from '../records/kind.ts';
import type { StateStore } from '../state/state-store.ts';
import { type JobRecord, jobs, jobsOf, newestIdAt, type StepState } from './job-record.ts';

/** Which jobs are wanted; what is undefined or empty counts for all. */
export interface JobFilter {
  readonly machineId: string;
  readonly kinds: ReadonlySet<string>;
  readonly states: ReadonlySet<StepState>;
  readonly startedBy: string;
  /** Milliseconds since 1970: begun from `since` on, before `until`. */
  readonly since?: number;
  readonly until?: number;
}

/** Rows that are looked at for one page; where little fits, a page is short and the next one goes on. */
const MOST_LOOKED_AT = 500;

const isWanted = ({ kinds, states, startedBy }: JobFilter, { value: job }: Stored<JobRecord>): boolean =>
  (kinds.size === 0 || kinds.has(job.kind)) &&
  (states.size === 0 || states.has(job.state)) &&
  (startedBy === '' || job.startedBy === startedBy);

/** Rows of jobs, of one machine or of all, whatever the filter says of the rest. */
const readRows = async (store: StateStore, machineId: string, size: number, after: string | undefined): Promise<Page<JobRecord>> => {
  if (machineId === '') return listPage(store, jobs, size, after);
  const page = await listPage(store, jobsOf, size, after === undefined ? undefined : `${machineId}/${after}`, `${machineId}/`);
  const found = await Promise.all(page.rows.map((row) => find(store, jobs, row.id.slice(machineId.length + 1))));
  return { rows: found.filter((job) => job !== undefined), next: page.next?.slice(machineId.length + 1) };
};

/** A page of the jobs that are wanted, the newest first. Ids say when a job began, so times choose where to look. */
export const listJobs = async (store: StateStore, filter: JobFilter, size: number, after?: string): Promise<Page<JobRecord>> => {
  const rows: Stored<JobRecord>[] = [];
  const first = filter.until === undefined ? undefined : newestIdAt(filter.until);
  let place = after ?? first;
  for (let looked = 0; looked < MOST_LOOKED_AT; ) {
    const page = await readRows(store, filter.machineId, size, place);
    for (const job of page.rows) {
      looked += 1;
      place = job.id;
      if (filter.since !== undefined && job.value.created < filter.since) return { rows, next: undefined };
      if (isWanted(filter, job)) rows.push(job);
      if (rows.length === size) return { rows, next: page.next === undefined && job === page.rows.at(-1) ? undefined : job.id };
    }
    if (page.next === undefined) return { rows, next: undefined };
    place = page.next;
  }
  return { rows, next: place };
};
