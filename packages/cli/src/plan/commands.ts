import { Direction, type PlanRun, RecoveryKind, type RecoveryPlan } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { chooseResource, type Kind } from '../choose/choose-resource.ts';
import { type ConfirmOptions, confirm, yesOption } from '../confirm.ts';
import { describeJob, jobsAnswer } from '../job/describe-job.ts';
import { jobResult, type WaitOptions, waitOption } from '../job/job-result.ts';
import { parseCount } from '../parse-count.ts';
import { readPages } from '../site/read-pages.ts';
import { required } from '../site/required.ts';
import { readMachines } from '../site/resources.ts';
import type { Site } from '../site/site.ts';
import { type WatchOptions, watchOption } from '../site/watch-answer.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import { describePlan, describeRun, planAnswer, plansAnswer, runAnswer, runsAnswer } from './describe-plan.ts';
import { readPlan } from './plan-file.ts';

interface FileOptions extends SiteOptions {
  readonly from: string;
}

interface RunOptions extends SiteOptions, WaitOptions, ConfirmOptions {
  readonly failover?: true;
  readonly point?: string;
  readonly shutdownSource?: true;
  readonly force?: true;
}

const PLAN: Kind = { one: 'plan', many: 'plans' };
const RUN: Kind = { one: 'run', many: 'runs' };

const FILE_HELP = `
A plan is a YAML file: up to 7 groups, one after the other; the machines of a group start at the same time.
Before and after them scripts run (by name, out of the directory plans.scripts of the configuration server)
and people are asked to do something; the plan waits for \`holdfast job answer\`. Of a machine the name is
enough; with more, what its protection says is overridden.

  note: the shop, without the warehouse
  groups:
    - name: data
      machines: [db1]
      after: [{ script: check-ledger }]
    - name: front
      delay: 30s
      before: [{ manual: point the load balancer to the recovery site }]
      machines:
        - web1
        - { name: web2, size: 2x4GiB, network: br-dr, point: latest-application }
  proof: { every: 7d, at: '02:30', console: 'login:', ports: [5432], agent: true, fsck: true, script: ledger-is-whole, max-age: 10d }

proof says when points of its machines are proven by themselves (\`point prove\`); it may be left out.

Examples:
  holdfast plan create shop --from shop.yaml
  holdfast plan set shop --from shop.yaml`;

const RUN_HELP = `
Starts all machines of a plan as an isolated test, or with --failover moves them to the recovery site. The
run and what it took are kept: \`holdfast plan runs\`, \`holdfast plan report RUN\`. Where a step fails the plan
waits and asks: \`holdfast job answer\`.

With --point latest-group all machines go back to the newest instant for which each of them has a point: that of
the machine whose newest point is the oldest. Of each the newest point at or before it is taken.

Examples:
  holdfast plan check shop
  holdfast plan run shop --wait
  holdfast plan cleanup RUN --notes 'all logins worked'
  holdfast plan run shop --point latest-group
  holdfast plan run shop --failover --shutdown-source --wait`;

const readPlans = ({ plans }: Site): Promise<RecoveryPlan[]> =>
  readPages(async (request) => {
    const { plans: rows, nextPageToken } = await plans.listPlans(request);
    return { rows, nextPageToken };
  });
const readRuns = ({ plans }: Site, plan: string, limit?: number): Promise<PlanRun[]> =>
  readPages(async (request) => {
    const { runs: rows, nextPageToken } = await plans.listRuns({ ...request, plan });
    return { rows, nextPageToken };
  }, limit);
const findPlan = async (site: Site, word: string): Promise<RecoveryPlan> => chooseResource(await readPlans(site), word, PLAN);

/** Runs looked at for the beginning of an id. */
const NEWEST = 500;
const findRun = async (site: Site, word: string): Promise<PlanRun> => chooseResource(await readRuns(site, '', NEWEST), word, RUN);

const fromOption = (): Option => new Option('--from <file>', 'the plan, in YAML (required)').makeOptionMandatory();

export const listPlansCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('list').alias('ls').description('list the plans'))
    .addHelpText('after', '\nExamples:\n  holdfast plan list')
    .action((options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const [plans, machines] = await Promise.all([readPlans(site), readMachines(site)]);
        return plansAnswer(plans.map((plan) => describePlan(plan, machines)));
      }),
    );

export const showPlanCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('show').description('tell what a plan does').argument('<plan>', 'name or id'))
    .addHelpText('after', '\nExamples:\n  holdfast plan show shop')
    .action((word: string, options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => planAnswer(describePlan(await findPlan(site, word), await readMachines(site)))),
    );

export const createPlanCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('create').description('make a plan').argument('<name>', 'what it is called'))
    .addOption(fromOption())
    .addHelpText('after', FILE_HELP)
    .action((name: string, options: FileOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { plan } = await site.plans.createPlan({ plan: await readPlan(name, options.from) });
        return planAnswer(describePlan(required(plan, name), await readMachines(site)));
      }),
    );

export const setPlanCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('set').description('write a plan anew').argument('<plan>', 'name or id'))
    .addOption(fromOption())
    .addHelpText('after', FILE_HELP)
    .action((word: string, options: FileOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id, name, version } = await findPlan(site, word);
        const { plan } = await site.plans.updatePlan({ plan: { ...(await readPlan(name, options.from)), id, version } });
        return planAnswer(describePlan(required(plan, name), await readMachines(site)));
      }),
    );

export const deletePlanCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('delete').description('delete a plan; its runs stay').argument('<plan>', 'name or id'))
    .addHelpText('after', '\nExamples:\n  holdfast plan delete shop')
    .action((word: string, options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id, name, version } = await findPlan(site, word);
        await site.plans.deletePlan({ plan: id, version });
        return { data: { id, name, deleted: true }, people: [{ line: `Plan ${name} is deleted.` }] };
      }),
    );

export const checkPlanCommand = (surroundings: Surroundings): Command =>
  siteOptions(
    new Command('check').description('tell what a run would do and what is in its way; starts nothing').argument('<plan>', 'name or id'),
  )
    .addOption(new Option('--failover', 'a failover instead of a test'))
    .addHelpText('after', '\nStatus 1 when something is in its way.\n\nExamples:\n  holdfast plan check shop --failover')
    .action((word: string, options: SiteOptions & { readonly failover?: true }) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id } = await findPlan(site, word);
        const kind = options.failover === true ? RecoveryKind.FAILOVER : RecoveryKind.TEST;
        const { findings, steps } = await site.plans.checkPlan({ plan: id, kind });
        if (findings.some(({ level }) => level === 'error')) surroundings.onFindings();
        return {
          data: { findings: findings.map(({ level, subject, text, remedy }) => ({ level, subject, text, remedy })), steps },
          people: [
            ...steps.map((line) => ({ line })),
            { line: '' },
            {
              columns: [{ heading: 'WHAT' }, { heading: 'IS' }, { heading: 'FOUND', shrink: true }, { heading: 'DO', shrink: true }],
              rows: findings.map(({ level, subject, text, remedy }) => [subject, level, text, remedy]),
            },
          ],
        };
      }),
    );

export const runPlanCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('run').description('start its machines, as a test or for good').argument('<plan>', 'name or id'))
    .addOption(new Option('--failover', 'move the machines to the recovery site instead of testing'))
    .addOption(
      new Option(
        '-p, --point <point>',
        'of machines for which the plan says none (default: latest-processed; latest for a failover); latest-group: one instant for all',
      ),
    )
    .addOption(new Option('--shutdown-source', 'bring the sources to rest and power them off first'))
    .addOption(new Option('--force', 'go on when a source cannot be shut down, or what is on its way does not arrive'))
    .addOption(yesOption())
    .addOption(waitOption())
    .addHelpText('after', RUN_HELP)
    .action((word: string, options: RunOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const plan = await findPlan(site, word);
        const isFailover = options.failover === true;
        const kind = isFailover ? RecoveryKind.FAILOVER : RecoveryKind.TEST;
        const { steps, findings } = await site.plans.checkPlan({ plan: plan.id, kind });
        if (isFailover)
          await confirm(
            surroundings,
            options,
            [
              `FAILOVER of plan ${plan.name}`,
              '  direction  forward: from the sources to the recovery site',
              `  points     ${options.point ?? 'latest: what is on its way arrives first'}`,
              `  sources    ${options.shutdownSource === true ? 'are brought to rest and powered off, then fenced' : 'are fenced, and not shut down'}`,
              ...steps.map((step) => `  ${step}`),
              ...findings.filter(({ level }) => level !== 'good').map(({ subject, text }) => `  ! ${subject}: ${text}`),
            ],
            plan.name,
          );
        const { job, run } = await site.plans.runPlan({
          plan: plan.id,
          kind,
          point: options.point ?? '',
          shutdownSource: options.shutdownSource === true,
          force: options.force === true,
          direction: Direction.FORWARD,
        });
        const answer = await jobResult(surroundings, site, options, required(job, word), []);
        if (options.wait !== true) return answer;
        return runAnswer(describeRun(await findRun(site, required(run, word).id)));
      }),
    );

export const listRunsCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('runs').description('list runs and what they took, newest first').argument('[plan]', 'of one plan: name or id'))
    .addOption(new Option('--limit <count>', 'runs at most').argParser(parseCount).default(20))
    .addHelpText('after', '\nExamples:\n  holdfast plan runs\n  holdfast plan runs shop --output csv')
    .action((word: string | undefined, options: SiteOptions & { readonly limit: number }) =>
      answerFromSite(surroundings, options, async (site) => {
        const plan = word === undefined ? '' : (await findPlan(site, word)).id;
        return runsAnswer((await readRuns(site, plan, options.limit)).map(describeRun));
      }),
    );

export const reportRunCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('report').description('tell what a run took, machine by machine').argument('<run>', 'id'))
    .addOption(watchOption())
    .addHelpText('after', '\nExamples:\n  holdfast plan report fe2c41')
    .action((word: string, options: SiteOptions & WatchOptions) =>
      answerFromSite(surroundings, options, async (site) => runAnswer(describeRun(await findRun(site, word)))),
    );

export const cleanUpRunCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('cleanup').description('remove all tests of a run').argument('<run>', 'id'))
    .addOption(new Option('--notes <words>', 'what was found out; kept in their history'))
    .addHelpText('after', "\nExamples:\n  holdfast plan cleanup fe2c41 --notes 'all logins worked'")
    .action((word: string, options: SiteOptions & { readonly notes?: string }) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id } = await findRun(site, word);
        const { jobs } = await site.plans.cleanUpRun({ run: id, notes: options.notes ?? '' });
        const machines = await readMachines(site);
        return jobsAnswer(
          jobs.map((job) => describeJob(job, machines, surroundings.now())),
          surroundings.now(),
        );
      }),
    );
