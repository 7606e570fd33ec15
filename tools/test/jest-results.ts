import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Outcome } from './outcome.ts';
import type { Project, TestTarget } from './projects.ts';

/** What tools/test/jest/reporter.cjs writes. */
interface ResultsFile {
  readonly startedAt: number;
  readonly tests: readonly { status: Outcome['status']; name: string; file: string; why?: string }[];
}

const fileOf = (root: string, { directory }: Project, target: TestTarget): string =>
  path.join(root, directory, '.results', `${target}.json`);

/** Removes what earlier runs left, so that only what this run (or the cache of nx) puts there is counted. */
export const clearResults = async (root: string, projects: readonly Project[], target: TestTarget): Promise<void> => {
  await Promise.all(projects.map((project) => rm(fileOf(root, project, target), { force: true })));
};

/** The tests of one project; a run that left no results counts as one failure. Results older than `since` (ms) came from the cache. */
export const readResults = async (root: string, project: Project, target: TestTarget, since: number): Promise<Outcome[]> => {
  const text = await readFile(fileOf(root, project, target), 'utf8').catch(() => undefined);
  if (text === undefined)
    return [{ of: project.name, name: `${target} run`, status: 'failed', why: 'it ended without results, see above' }];
  const { startedAt, tests } = JSON.parse(text) as ResultsFile;
  const cached = startedAt < since;
  return tests.map(({ file, name, ...rest }) => ({ of: project.name, name: `${file}: ${name}`, cached, ...rest }));
};
