import { lstatSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;
const WRITABLE_BY_OTHERS = 0o022;
const EXECUTABLE = 0o111;

/**
 * Throws SCRIPT_REFUSED unless `file`, a path without links, and every directory on the way to it belong to root (or who we are) and only that one may write
 * to them: whoever may write to one could put another script there.
 */
export const requireTrusted = (file: string): void => {
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

/** The file of a script of this name, to be run by its path; nobody but root, or who we are, can change it. Errors: SCRIPT_REFUSED. */
export const findTrustedScript = async (directory: string | undefined, name: string, setting: string): Promise<string> => {
  const refuse = (why: string, remedy: string): HoldfastError =>
    new HoldfastError('SCRIPT_REFUSED', { thing: `script ${JSON.stringify(name.slice(0, 100))}`, why, remedy });
  if (directory === undefined) throw refuse('there is no directory of scripts here', `name one in the setting ${setting}`);
  if (!NAME.test(name)) throw refuse('it is no name of a script', `name a file in ${directory}`);
  try {
    const file = await realpath(path.join(directory, name));
    for (const one of [await realpath(directory), file]) requireTrusted(one);
    const stats = await stat(file);
    if (!stats.isFile()) throw refuse('it is no file', `put it into ${directory}`);
    if ((stats.mode & EXECUTABLE) === 0) throw refuse('it cannot be executed', `chmod 755 ${file}`);
    return file;
  } catch (reason) {
    throw reason instanceof HoldfastError ? reason : refuse(fromSystem(reason, name).why, `put it into ${directory}`);
  }
};
