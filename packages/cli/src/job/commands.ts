import { type Job, JobState } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { parseCount } from '../parse-count.ts';
import { parseInstant } from '../parse-instant.ts';
import { required } from '../site/required.ts';
import { findMachine, readMachines } from '../site/resources.ts';
import type { Site } from '../site/site.ts';
import { type WatchOptions, watchOption } from '../site/watch-answer.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import { parseJobState } from '../site/words.ts';
import type { Surroundings } from '../surroundings.ts';
import { describeJob, hasEnded, jobAnswer, jobsAnswer } from './describe-job.ts';
import { findJob, readJobs } from './find-job.ts';
import { followJob } from './follow-job.ts';
import { jobResult, type WaitOptions, waitOption } from './job-result.ts';

interface ListOptions extends SiteOptions, WatchOptions {
  readonly machine?: string;
  readonly kind: readonly string[];
  readonly state: readonly JobState[];
  readonly by: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit: number;
}

const LIST_HELP = `
Examples:
  holdfast job list
  holdfast job list --machine db1 --limit 5
  holdfast job list --state 'waiting for input' --state failed
  holdfast job list --watch
  holdfast job list --since 7d --limit 10000 --output csv >jobs.csv`;

/** For options that may be given several times. */
const gather =
  <T>(parse: (word: string) => T) =>
  (word: string, before: readonly T[]): T[] => [...before, parse(word)];

export const listJobsCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('list').description('list the jobs, newest first'))
    .addOption(new Option('-m, --machine <machine>', 'those of one machine: name or id'))
    .addOption(
      new Option('--kind <kind>', 'those of a kind: protect, move …; may be given again').argParser(gather(String)).default([], 'all'),
    )
    .addOption(
      new Option('--state <state>', "those in a state: running, 'waiting for input', failed …; may be given again")
        .argParser(gather(parseJobState))
        .default([], 'all'),
    )
    .addOption(new Option('--by <person>', 'those somebody began').default('', 'anybody'))
    .addOption(new Option('--since <time>', 'begun since then: 24h ago is 24h, or a time like 2026-11-22T01:02:03Z'))
    .addOption(new Option('--until <time>', 'begun before then'))
    .addOption(new Option('--limit <count>', 'jobs at most').argParser(parseCount).default(20))
    .addOption(watchOption())
    .addHelpText('after', LIST_HELP)
    .action((options: ListOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const machine = options.machine === undefined ? '' : (await findMachine(site, options.machine)).id;
        const now = surroundings.now();
        const at = (word: string | undefined): bigint => (word === undefined ? 0n : BigInt(parseInstant(word, now)));
        const { kind: kinds, state: states, by: startedBy } = options;
        const filter = {
          machine,
          kinds: [...kinds],
          states: [...states],
          startedBy,
          sinceUnixMillis: at(options.since),
          untilUnixMillis: at(options.until),
        };
        const [jobs, machines] = await Promise.all([readJobs(site, filter, options.limit), readMachines(site)]);
        return jobsAnswer(
          jobs.map((job) => describeJob(job, machines, now)),
          now,
        );
      }),
    );

const JOB_ARGUMENT = ['<job>', 'id, or its first two or more digits'] as const;

export const showJobCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('show').description('tell all about one job').argument(...JOB_ARGUMENT)).action(
    (word: string, options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        return jobAnswer(await described(surroundings, site, await findJob(site, word)));
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
        return jobAnswer(await described(surroundings, site, job));
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
        const now = required(job, id);
        const { data, people } = jobAnswer(await described(surroundings, site, now));
        const end = { line: `It is being cancelled: \`holdfast job watch ${id.slice(0, 12)}\` tells when that is done.` };
        return { data, people: hasEnded(now) ? people : [...people, end] };
      }),
    );

const RETRY_HELP = `
The job goes on at the step that failed, or at an earlier one where it has to. What stopped it should
have been mended first.

Example:
  holdfast job retry 3f9a --wait`;

export const retryJobCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('retry').description('let a failed job go on where it stopped').argument(...JOB_ARGUMENT))
    .addOption(waitOption())
    .addHelpText('after', RETRY_HELP)
    .action((word: string, options: SiteOptions & WaitOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id } = await findJob(site, word);
        const { job } = await site.jobs.retryJob({ id });
        return jobResult(surroundings, site, options, required(job, id), await readMachines(site));
      }),
    );

const ANSWER_HELP = `
Jobs wait when something has to be done by hand or decided, or when a step failed and others may still
be worth doing. \`job show\` tells what is asked and what can be answered.

Examples:
  holdfast job answer 3f9a done --note 'load balancer switched'
  holdfast job answer 3f9a retry --wait`;

interface AnswerOptions extends SiteOptions, WaitOptions {
  readonly note: string;
}

export const answerJobCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('answer').description('say to a job what it waits for').argument(...JOB_ARGUMENT))
    .argument('<choice>', 'one of those that the job offers')
    .addOption(new Option('--note <words>', 'for those who read about it later').default('', 'none'))
    .addOption(waitOption())
    .addHelpText('after', ANSWER_HELP)
    .action((word: string, choice: string, options: AnswerOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id, question } = await findJob(site, word);
        const { job } = await site.jobs.answerJob({ id, question: question?.id ?? '', choice, note: options.note });
        return jobResult(surroundings, site, options, required(job, id), await readMachines(site));
      }),
    );

const described = async ({ now }: Surroundings, site: Site, job: Job) => describeJob(job, await readMachines(site), now());
