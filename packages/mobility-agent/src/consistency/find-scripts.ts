import { lstatSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';

const WRITABLE_BY_OTHERS = 0o022;
const EXECUTABLE = 0o111;

/** Throws SCRIPT_REFUSED unless `file` and every directory on the way to it belong to root (or who we are) and only that one may write to them. */
const refuseUnsafe = (file: string): void => {
  for (let at = file; ; at = path.dirname(at)) {
    const { uid, mode } = lstatSync(at);
    const isOwn = uid === 0 || uid === process.geteuid?.();
    if (!isOwn || (mode & WRITABLE_BY_OTHERS) !== 0) {
      throw new HoldfastError('SCRIPT_REFUSED', {
        thing: `script ${file}`,
        why: isOwn ? `${at} can be written by others (mode ${(mode & 0o7777).toString(8)})` : `${at} belongs to user ${uid}`,
        remedy: `look at what is in it, then \`chown root:root ${at}\` and \`chmod go-w ${at}\``,
      });
    }
    if (at === path.dirname(at)) return;
  }
};

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
    refuseUnsafe(realpathSync(directory));
    refuseUnsafe(realpathSync(file));
  }
  return scripts;
};
