import path from 'node:path';
import { isHoldfastError } from '@holdfast/errors';
import { createGuestImage } from '../guest/index.ts';
import { parseCommandLine, runMain } from '../setup/command-line.ts';
import { ensureTools } from '../setup/ensure-tools.ts';
import { TOOL_GROUPS } from '../setup/machine-tools.ts';
import { CHECKS } from './checks.ts';
import { build, runSpecs } from './nx.ts';
import { checked, type Outcome, type Stage, tally } from './outcome.ts';
import { findProjects, type Project } from './projects.ts';
import { formatReport } from './report.ts';
import { select } from './selection.ts';

const HELP = `Usage: npm test [-- NAME…]

Installs what the tests need (npm ci, then Debian packages as root), then runs lint, types, boundaries, error docs, the build, the
hermetic specs of every project (answered from the cache of nx where nothing changed) and the live specs, which need root, the kernel
or outside programs. NAME is a project (block, vault, tools, …) or a check (${CHECKS.map(({ name }) => name).join(', ')}); only those are run then.

Every skipped test is printed with its reason; with CI=true a skip fails the run. The last line counts. Exit status: 0 all passed,
1 something failed, 2 unknown NAME.`;

const ROOT = path.resolve(import.meta.dirname, '../..');

const stages: Stage[] = [];

/** Runs one stage, prints its heading, remembers its time. */
const stage = async (name: string, work: () => Promise<readonly Outcome[]>): Promise<void> => {
  console.log(`\n== ${name}`);
  const start = performance.now();
  const outcomes = await work();
  if (outcomes.some(({ status }) => status === 'failed')) console.log('failed, see the end');
  stages.push({ name, seconds: (performance.now() - start) / 1000, outcomes });
};

/** What the live specs need of the machine: its programs, and the guest's image (once, about a minute). Tells what cannot be had. */
const setUp = async (projects: readonly Project[]): Promise<string | undefined> => {
  try {
    await ensureTools(TOOL_GROUPS, { print: console.log });
    if (projects.some(({ name }) => name === 'tools')) await createGuestImage({ print: console.log });
    return undefined;
  } catch (reason) {
    if (isHoldfastError(reason, 'TOOL_MISSING')) return reason.message;
    throw reason;
  }
};

/** The live specs; where their tools cannot be installed, one skip per project says so. */
const runLive = async (projects: readonly Project[], obstacle: string | undefined): Promise<Outcome[]> =>
  obstacle === undefined
    ? runSpecs(ROOT, projects, 'live')
    : projects.map(({ name }) => ({ of: name, name: 'live specs', status: 'skipped', why: obstacle }));

const main = async (names: readonly string[]): Promise<number> => {
  const { checks, projects, whole } = select(
    names,
    await findProjects(ROOT),
    CHECKS.map(({ name }) => name),
  );
  let obstacle: string | undefined;
  if (projects.length > 0) {
    await stage('set-up', async () => {
      obstacle = await setUp(projects);
      if (obstacle !== undefined) console.log(obstacle);
      return [];
    });
  }
  for (const check of CHECKS.filter(({ name }) => checks.includes(name))) {
    await stage(check.name, async () => [await check.run(ROOT, whole || projects.length === 0 ? 'all' : projects)]);
  }
  if (projects.length > 0) {
    await stage('build', async () => [await build(ROOT, projects)]);
    await stage('test', () => runSpecs(ROOT, projects, 'test'));
    await stage('live', () => runLive(projects, obstacle));
    const specs = stages.flatMap(({ outcomes }) => outcomes).filter(({ of }) => of !== 'checks');
    if (specs.length === 0) await stage('count', async () => [checked('count', 'not a single test was found')]);
  }

  console.log(formatReport(stages));
  const { failed, skipped } = tally(stages.flatMap(({ outcomes }) => outcomes));
  return failed > 0 || (process.env['CI'] === 'true' && skipped > 0) ? 1 : 0;
};

await runMain(async (args) => {
  const { values, positionals } = parseCommandLine({ args, allowPositionals: true, options: { help: { type: 'boolean' } } });
  if (!values.help) return main(positionals);
  console.log(HELP);
  return 0;
});
