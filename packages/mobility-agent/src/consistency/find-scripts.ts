import { readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import path from 'node:path';
import { requireTrusted } from '@holdfast/daemon';
import { fromSystem } from '@holdfast/errors';

const EXECUTABLE = 0o111;

const isScript = (stats: Stats | undefined): boolean => stats?.isFile() === true && (stats.mode & EXECUTABLE) !== 0;

/**
 * The scripts of a directory in the order of their names, with links followed; none when there is no such directory. What is not executable,
 * or begins with a dot, is none. Throws SCRIPT_REFUSED, naming it, when somebody but root could change one.
 */
export const findScripts = (directory: string): string[] => {
  let names: string[];
  try {
    names = readdirSync(directory).sort();
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fromSystem(reason, directory);
  }
  const scripts = names
    .filter((name) => !name.startsWith('.'))
    .map((name) => path.join(directory, name))
    .filter((file) => isScript(statSync(file, { throwIfNoEntry: false })));
  for (const file of scripts) {
    requireTrusted(realpathSync(directory));
    requireTrusted(realpathSync(file));
  }
  return scripts;
};
