import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';

/** The nx targets that run jest: hermetic specs, and those that need root, the kernel or outside programs. */
export type TestTarget = 'test' | 'live';

/** A package of the workspace, or `tools`. */
export interface Project {
  /** The name people use: the directory's. */
  readonly name: string;
  /** The name nx uses: the package's. */
  readonly nxName: string;
  /** Relative to the root of the tree. */
  readonly directory: string;
}

export const findProjects = async (root: string): Promise<Project[]> => {
  const projects: Project[] = [];
  for await (const manifest of glob(['packages/*/package.json', 'tools/package.json'], { cwd: root })) {
    const { name } = JSON.parse(await readFile(path.join(root, manifest), 'utf8')) as { name: string };
    const directory = path.dirname(manifest);
    projects.push({ name: path.basename(directory), nxName: name, directory });
  }
  return projects.sort((a, b) => a.name.localeCompare(b.name));
};

/** The projects that have at least one spec of this kind. */
export const withSpecs = async (root: string, projects: readonly Project[], target: TestTarget): Promise<Project[]> => {
  const found: Project[] = [];
  for (const project of projects) {
    const cwd = path.join(root, project.directory);
    for await (const file of glob('**/*.spec.ts', { cwd, exclude: (name) => name === 'node_modules' || name === 'dist' })) {
      if (file.endsWith('.live.spec.ts') !== (target === 'live')) continue;
      found.push(project);
      break;
    }
  }
  return found;
};
