import { type Job, JobState, type Machine } from '@holdfast/protocol';
import { Option } from 'commander';
import type { Answer } from '../output/answer.ts';
import type { Site } from '../site/site.ts';
import type { Surroundings } from '../surroundings.ts';
import { describeJob, jobAnswer } from './describe-job.ts';
import { followJob } from './follow-job.ts';

export interface WaitOptions {
  readonly wait?: boolean;
}

export const waitOption = (): Option => new Option('--wait', 'wait until the job has ended, and tell how it goes on');

/** The answer of a command that began a job: at once, or with `--wait` at its end. A job that did not succeed is a finding. */
export const jobResult = async (
  surroundings: Surroundings,
  site: Site,
  { wait }: WaitOptions,
  job: Job,
  machine: Pick<Machine, 'id' | 'name'> | readonly Pick<Machine, 'id' | 'name'>[],
): Promise<Answer> => {
  const machines = [machine].flat();
  if (wait !== true) {
    const { data, people } = jobAnswer(describeJob(job, machines, surroundings.now()));
    return { data, people: [...people, { line: `Follow it with \`holdfast job watch ${job.id.slice(0, 12)}\`.` }] };
  }
  const ended = await followJob(surroundings, site, job.id);
  if (ended.state !== JobState.SUCCEEDED) surroundings.onFindings();
  return jobAnswer(describeJob(ended, machines, surroundings.now()));
};
