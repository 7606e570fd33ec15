import { HoldfastError } from '@holdfast/errors';
import type { Project } from './projects.ts';

/** What one run covers. */
export interface Selection {
  readonly checks: readonly string[];
  readonly projects: readonly Project[];
  /** True when nothing was left out. */
  readonly whole: boolean;
}

/** Checks that make sense for single projects. */
const PER_PROJECT = ['lint', 'types'];

/** Turns the names of `npm test -- NAME…` (projects and checks) into a selection; no name means everything. */
export const select = (names: readonly string[], projects: readonly Project[], checks: readonly string[]): Selection => {
  if (names.length === 0) return { checks, projects, whole: true };
  const chosen = projects.filter(({ name, nxName }) => names.includes(name) || names.includes(nxName));
  for (const name of names) {
    if (checks.includes(name) || chosen.some((project) => project.name === name || project.nxName === name)) continue;
    throw new HoldfastError('SETTING_UNKNOWN', {
      thing: name,
      why: 'no project and no check has this name',
      remedy: `use one of ${[...projects.map((project) => project.name), ...checks].join(', ')}`,
    });
  }
  const implied = chosen.length > 0 ? PER_PROJECT : [];
  return { checks: checks.filter((check) => names.includes(check) || implied.includes(check)), projects: chosen, whole: false };
};
