import { type Job, JobState } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { parseCount } from '../parse-count.ts';
import { required } from '../site/required.ts';
import { findMachine, readMachines } from '../site/resources.ts';
import type { Site } from '../site/site.ts';
import { type WatchOptions, watchOption } from '../site/watch-answer.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import { describeJob, jobAnswer, jobsAnswer } from './describe-job.ts';
import { findJob, readJobs } from './find-job.ts';
import { followJob } from './follow-job.ts';

interface ListOptions extends SiteOptions, WatchOptions {
  readonly machine?: string;
  readonly limit: number;
}

const LIST_HELP = `
Examples:
  holdfast job list
  holdfast job list --machine db1 --limit 5
  holdfast job list --watch`;

export const listJobsCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('list').description('list the jobs, newest first'))
    .addOption(new Option('-m, --machine <machine>', 'those of one machine: name or id'))
    .addOption(new Option('--limit <count>', 'jobs at most').argParser(parseCount).default(20))
    .addOption(watchOption())
    .addHelpText('after', LIST_HELP)
    .action((options: ListOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const machine = options.machine === undefined ? '' : (await findMachine(site, options.machine)).id;
        const [jobs, machines] = await Promise.all([readJobs(site, machine, options.limit), readMachines(site)]);
        return jobsAnswer(
          jobs.map((job) => describeJob(job, machines)),
          surroundings.now(),
        );
      }),
    );

const JOB_ARGUMENT = ['<job>', 'id, or its first two or more digits'] as const;

export const showJobCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('show').description('tell all about one job').argument(...JOB_ARGUMENT)).action(
    (word: string, options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        return jobAnswer(await described(site, await findJob(site, word)));
      }),
  );

const WATCH_HELP = `
Tells steps and progress on standard error until the job has ended, then the job itself. The status is
0 when it succeeded, 1 when it failed or was cancelled. A lost connection is taken up again.

Example:
  holdfast job watch 3f9a && echo protected`;

export const watchJobCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('watch').description('follow a job to its end').argument(...JOB_ARGUMENT))
    .addHelpText('after', WATCH_HELP)
    .action((word: string, options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id } = await findJob(site, word);
        const job = await followJob(surroundings, site, id);
        if (job.state !== JobState.SUCCEEDED) surroundings.onFindings();
        return jobAnswer(await described(site, job));
      }),
    );

const CANCEL_HELP = `
What the job has done until then is undone or left safe; it ends as cancelled.

Example:
  holdfast job cancel 3f9a`;

export const cancelJobCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('cancel').description('end a job before it is done').argument(...JOB_ARGUMENT))
    .addHelpText('after', CANCEL_HELP)
    .action((word: string, options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id } = await findJob(site, word);
        const { job } = await site.jobs.cancelJob({ id });
        return jobAnswer(await described(site, required(job, id)));
      }),
    );

const described = async (site: Site, job: Job) => describeJob(job, await readMachines(site));
