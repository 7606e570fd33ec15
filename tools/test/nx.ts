import { clearResults, readResults } from './jest-results.ts';
import { checked, type Outcome } from './outcome.ts';
import { type ProgramResult, runProgram } from './program.ts';
import { type Project, type TestTarget, withSpecs } from './projects.ts';

/** No daemon, no terminal interface, no network; and no switch of the caller's shell that would change what is run and cached. */
const ENVIRONMENT = {
  NX_DAEMON: 'false',
  NX_TUI: 'false',
  HOLDFAST_TESTS: undefined,
  ...(process.stdout.isTTY ? {} : { FORCE_COLOR: '0' }),
};

const runMany = (root: string, target: string, projects: readonly Project[], show: boolean): Promise<ProgramResult> =>
  runProgram(
    'nx',
    [
      'run-many',
      `--targets=${target}`,
      `--projects=${projects.map(({ nxName }) => nxName).join()}`,
      '--outputStyle=static',
      ...(target === 'live' ? ['--parallel=1'] : []),
    ],
    { cwd: root, env: ENVIRONMENT, show },
  );

/**
 * What runs at the same time as what. Specs that use the machine run one after the other, but for those of `tools`, which mostly wait for
 * guests and for whole sites: they have a lane of their own beside all the others.
 */
const inLanes = (projects: readonly Project[], target: TestTarget): (readonly Project[])[] => {
  if (target !== 'live') return [projects];
  const whole = ({ name }: Project): boolean => name === 'tools';
  return [projects.filter(whole), projects.filter((project) => !whole(project))].filter((lane) => lane.length > 0);
};

/** Builds the projects and what they stand on; counts as one check. */
export const build = async (root: string, projects: readonly Project[]): Promise<Outcome> => {
  const { ok, output } = await runMany(root, 'build', projects, false);
  return checked('build', ok ? undefined : output.trim());
};

/** Runs the specs of those projects that have some and counts them one by one. */
export const runSpecs = async (root: string, candidates: readonly Project[], target: TestTarget): Promise<Outcome[]> => {
  const projects = await withSpecs(root, candidates, target);
  if (projects.length === 0) return [];
  await clearResults(root, projects, target);
  const since = Date.now();
  const runs = await Promise.all(inLanes(projects, target).map((lane) => runMany(root, target, lane, true)));
  const ok = runs.every((run) => run.ok);
  const outcomes = (await Promise.all(projects.map((project) => readResults(root, project, target, since)))).flat();
  const unexplained = !ok && outcomes.every(({ status }) => status !== 'failed');
  return unexplained ? [...outcomes, checked(`nx ${target}`, 'it failed although no test did, see above')] : outcomes;
};
