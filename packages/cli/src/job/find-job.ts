import { isId, type Job } from '@holdfast/protocol';
import { chooseResource, type Kind } from '../choose/choose-resource.ts';
import { readPages } from '../site/read-pages.ts';
import { required } from '../site/required.ts';
import type { Site } from '../site/site.ts';

const JOB: Kind = { one: 'job', many: 'jobs' };

/** Jobs, newest first; of all machines when `machine` is empty. */
export const readJobs = ({ jobs }: Site, machine: string, limit?: number): Promise<Job[]> =>
  readPages(async (request) => {
    const { jobs: rows, nextPageToken } = await jobs.listJobs({ ...request, machine });
    return { rows, nextPageToken };
  }, limit);

/** The job meant by its id or the beginning of it. */
export const findJob = async (site: Site, word: string): Promise<Job> => {
  const id = word.toLowerCase();
  if (!isId(id)) return chooseResource(await readJobs(site, ''), word, JOB);
  const { job } = await site.jobs.getJob({ id });
  return required(job, `job ${id}`);
};
