import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { ERROR_CODES } from '@holdfast/errors';
import { checkBoundaries } from '../boundaries/check.ts';
import { compareErrorDocs } from './error-docs.ts';
import { checked, type Outcome } from './outcome.ts';
import { runProgram } from './program.ts';
import { findProjects, type Project } from './projects.ts';

/** Checks of the sources that need no test runner. Each counts as one. */
export interface Check {
  readonly name: string;
  /** Judges the tree at `root`, or as far as it can only the given projects of it. */
  run(root: string, projects: readonly Project[] | 'all'): Promise<Outcome>;
}

const lint: Check = {
  name: 'lint',
  run: async (root, projects) => {
    const where = projects === 'all' ? ['.'] : projects.map(({ directory }) => directory);
    const { ok, output } = await runProgram('biome', ['check', '--error-on-warnings', ...where], { cwd: root });
    return checked('lint and format', ok ? undefined : `${output.trim()}\nnpm run format mends most of it`);
  },
};

const types: Check = {
  name: 'types',
  run: async (root, projects) => {
    const complaints: string[] = [];
    for (const { directory } of projects === 'all' ? await findProjects(root) : projects) {
      const { ok, output } = await runProgram('tsc', ['-p', directory], { cwd: root });
      if (!ok) complaints.push(output.trim());
    }
    return checked('types', complaints.length === 0 ? undefined : complaints.join('\n'));
  },
};

const boundaries: Check = {
  name: 'boundaries',
  run: async (root) => {
    const violations = await checkBoundaries(root);
    const lines = violations.map(({ file, line, specifier, why }) => `${file}:${line}: ${specifier}: ${why}`);
    return checked('boundaries', lines.length === 0 ? undefined : lines.join('\n'));
  },
};

const errorDocs: Check = {
  name: 'error-docs',
  run: async (root) => {
    const problems = compareErrorDocs(ERROR_CODES, await readFile(path.join(root, 'docs/errors.md'), 'utf8'));
    return checked('error docs', problems.length === 0 ? undefined : problems.map((line) => `docs/errors.md: ${line}`).join('\n'));
  },
};

const { missingEntries } = createRequire(import.meta.url)('../setup/complete-lock.cjs') as {
  missingEntries(lock: unknown): Readonly<Record<string, unknown>>;
};

const lock: Check = {
  name: 'lock',
  run: async (root) => {
    const missing = Object.keys(missingEntries(JSON.parse(await readFile(path.join(root, 'package-lock.json'), 'utf8'))));
    const advice = 'npm ci will refuse package-lock.json; run node tools/setup/complete-lock.cjs';
    return checked('lock file', missing.length === 0 ? undefined : `it lacks ${missing.join(', ')}\n${advice}`);
  },
};

export const CHECKS: readonly Check[] = [lock, lint, types, boundaries, errorDocs];
