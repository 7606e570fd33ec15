import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import { isId, type Job, type JobService } from '@holdfast/protocol';
import { answerJob } from '../jobs/answer-job.ts';
import { jobMessage } from '../jobs/job-message.ts';
import { hasEnded, type JobRecord, jobs } from '../jobs/job-record.ts';
import { listJobs } from '../jobs/list-jobs.ts';
import { retryJob } from '../jobs/retry-job.ts';
import { personOf } from '../listener/caller.ts';
import { find, type Stored } from '../records/kind.ts';
import { machines } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import type { ApiParts } from './api-parts.ts';
import { jobFilter } from './job-filter.ts';
import { ID_PLACE, pagePlace, pageSize, pageToken } from './paging.ts';
import { resolve } from './resolve.ts';

const missing = (id: string): HoldfastError =>
  new HoldfastError('RESOURCE_NOT_FOUND', {
    thing: `job ${id.slice(0, 64)}`,
    why: 'there is none of this id',
    remedy: 'list what there is with `holdfast job list`',
  });

/** Long operations: what they do, and how far they are. The newest come first. */
export const createJobService = ({ store, notifier, engine, plans }: ApiParts): ServiceImpl<typeof JobService> => {
  const message = (job: Stored<JobRecord>): Job =>
    jobMessage({ ...job, now: engine.progress(job.id), retryable: plans[job.value.kind].retried !== undefined });

  const jobOf = async (id: string): Promise<Stored<JobRecord>> => {
    const job = isId(id) ? await find(store, jobs, id) : undefined;
    if (job === undefined) throw missing(id);
    return job;
  };

  return {
    async listJobs(request) {
      const [size, after] = [pageSize(request.pageSize), pagePlace(request.pageToken, ID_PLACE)];
      const machineId = request.machine === '' ? '' : (await resolve(store, machines, 'machine', request.machine)).id;
      const page = await listJobs(store, jobFilter(request, machineId), size, after);
      return { jobs: page.rows.map(message), nextPageToken: pageToken(page.next) };
    },
    async getJob({ id }) {
      return { job: message(await jobOf(id)) };
    },
    async *watchJob({ id }, { signal }) {
      let news = Promise.withResolvers<void>();
      const wake = (): void => news.resolve();
      const forget = [notifier.subscribe([jobs.key(id)], wake), engine.onProgress(id, wake)];
      signal.addEventListener('abort', wake, { once: true });
      try {
        let job = await jobOf(id);
        while (!signal.aborted) {
          news = Promise.withResolvers<void>();
          job = await jobOf(id);
          yield { job: message(job) };
          if (hasEnded(job.value)) return;
          await news.promise;
        }
      } finally {
        for (const end of forget) end();
      }
    },
    async cancelJob({ id }, { values }) {
      const { name: actor } = personOf(values);
      await jobOf(id);
      await transact(store, async (transaction) => {
        const job = await transaction.read(jobs, id);
        if (job === undefined) throw missing(id);
        if (hasEnded(job.value))
          throw new HoldfastError('JOB_ENDED', {
            thing: `job ${id}`,
            why: `it has ${job.value.state}`,
            remedy: 'there is nothing to cancel',
          });
        if (job.value.cancelling) return;
        transaction.put(jobs, id, { ...job.value, cancelling: true });
        transaction.audit({ actor, action: 'CancelJob', subject: job.value.machineId, detail: `${job.value.kind} ${id}` });
      });
      return { job: message(await jobOf(id)) };
    },
    async retryJob({ id }, { values }) {
      const { name: actor } = personOf(values);
      await jobOf(id);
      await transact(store, async (transaction) => {
        const job = await transaction.read(jobs, id);
        if (job === undefined) throw missing(id);
        await retryJob(store, transaction, plans[job.value.kind], job, actor);
      });
      return { job: message(await jobOf(id)) };
    },
    async answerJob({ id, ...said }, { values }) {
      const { name: by } = personOf(values);
      await jobOf(id);
      await transact(store, async (transaction) => {
        const job = await transaction.read(jobs, id);
        if (job === undefined) throw missing(id);
        answerJob(transaction, job, { ...said, by });
      });
      return { job: message(await jobOf(id)) };
    },
  };
};
