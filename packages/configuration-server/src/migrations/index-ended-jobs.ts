import type { JobRecord } from '../jobs/job-record.ts';
import { endedJobs, hasEnded, jobs } from '../jobs/job-record.ts';
import { listPage, type Page } from '../records/kind.ts';
import { transact } from '../records/transaction.ts';
import type { Migration } from './migration.ts';

/** Jobs of one commit. */
const BATCH = 200;

/** Earlier versions found jobs by their state by looking at all of them. */
export const indexEndedJobs: Migration = {
  about: 'jobs are found by how they ended',
  async run(store) {
    let count = 0;
    let after: string | undefined;
    do {
      const page: Page<JobRecord> = await listPage(store, jobs, BATCH, after);
      const ended = page.rows.filter(({ value }) => hasEnded(value));
      await transact(store, async (transaction) => {
        for (const { id, value } of ended) transaction.put(endedJobs, `${value.state}/${id}`, {});
      });
      count += ended.length;
      after = page.next;
    } while (after !== undefined);
    return count;
  },
};
