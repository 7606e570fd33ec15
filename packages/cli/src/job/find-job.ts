import type { MessageInitShape } from '@bufbuild/protobuf';
import { isId, type Job, type ListJobsRequestSchema } from '@holdfast/protocol';
import { chooseResource, type Kind } from '../choose/choose-resource.ts';
import { readPages } from '../site/read-pages.ts';
import { required } from '../site/required.ts';
import type { Site } from '../site/site.ts';

const JOB: Kind = { one: 'job', many: 'jobs' };

export type JobFilter = Pick<
  MessageInitShape<typeof ListJobsRequestSchema>,
  'machine' | 'kinds' | 'states' | 'startedBy' | 'sinceUnixMillis' | 'untilUnixMillis'
>;

/** Jobs, newest first; all that are not told by the filter. */
export const readJobs = ({ jobs }: Site, filter: JobFilter, limit?: number): Promise<Job[]> =>
  readPages(async (request) => {
    const { jobs: rows, nextPageToken } = await jobs.listJobs({ ...request, ...filter });
    return { rows, nextPageToken };
  }, limit);

/** The job meant by its id or the beginning of it. */
export const findJob = async (site: Site, word: string): Promise<Job> => {
  const id = word.toLowerCase();
  if (!isId(id)) return chooseResource(await readJobs(site, {}), word, JOB);
  const { job } = await site.jobs.getJob({ id });
  return required(job, `job ${id}`);
};
