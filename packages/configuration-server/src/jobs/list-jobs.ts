import { find, type Kind, listPage, type Page, type Stored } from '../records/kind.ts';
import type { StateStore } from '../state/state-store.ts';
import { endedJobs, hasEnded, type JobRecord, jobs, jobsOf, newestIdAt, openJobs, type StepState } from './job-record.ts';

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

/** Where ids of jobs stand: behind `within`, in the order of jobs. */
interface Index {
  readonly kind: Kind<unknown>;
  readonly within: string;
}

/** Which indexes hold all that is wanted, and as little else as possible; none: all jobs have to be looked at. */
const indexesFor = ({ machineId, states }: JobFilter): readonly Index[] => {
  if (machineId !== '') return [{ kind: jobsOf, within: `${machineId}/` }];
  const all = [...states];
  const ended = all.filter((state) => hasEnded({ state })).map((state) => ({ kind: endedJobs, within: `${state}/` }));
  return ended.length < all.length ? [{ kind: openJobs, within: '' }, ...ended] : ended;
};

/** Rows of jobs among which all are that are wanted. */
const readRows = async (store: StateStore, filter: JobFilter, size: number, after: string | undefined): Promise<Page<JobRecord>> => {
  const indexes = indexesFor(filter);
  if (indexes.length === 0) return listPage(store, jobs, size, after);
  const read = async ({ kind, within }: Index): Promise<{ readonly ids: readonly string[]; readonly next: string | undefined }> => {
    const { rows, next } = await listPage(store, kind, size, after === undefined ? undefined : within + after, within);
    return { ids: rows.map(({ id }) => id.slice(within.length)), next };
  };
  const pages = await Promise.all(indexes.map(read));
  // One that ends meanwhile may stand in two.
  const all = [...new Set(pages.flatMap(({ ids }) => ids))].sort();
  const ids = all.slice(0, size);
  const found = await Promise.all(ids.map((id) => find(store, jobs, id)));
  const isLast = ids.length === all.length && pages.every(({ next }) => next === undefined);
  return { rows: found.filter((job) => job !== undefined), next: isLast ? undefined : ids.at(-1) };
};

/** A page of the jobs that are wanted, the newest first. Ids say when a job began, so times choose where to look. */
export const listJobs = async (store: StateStore, filter: JobFilter, size: number, after?: string): Promise<Page<JobRecord>> => {
  const rows: Stored<JobRecord>[] = [];
  const first = filter.until === undefined ? undefined : newestIdAt(filter.until);
  let place = after ?? first;
  for (let looked = 0; looked < MOST_LOOKED_AT; ) {
    const page = await readRows(store, filter, size, place);
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
