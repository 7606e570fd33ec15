import { lstat, realpath } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;
const WRITABLE_BY_OTHERS = 0o022;

const refuse = (name: string, why: string, remedy: string): HoldfastError =>
  new HoldfastError('SCRIPT_REFUSED', { thing: `script ${JSON.stringify(name.slice(0, 100))}`, why, remedy });

/** The file of a script that decides about proofs, when nobody but root or who we are can change it. Errors: SCRIPT_REFUSED. */
export const findProofScript = async (directory: string | undefined, name: string): Promise<string> => {
  if (directory === undefined)
    throw refuse(name, 'this process server has no directory of scripts', 'name one in its setting recovery.proof-scripts');
  if (!NAME.test(name)) throw refuse(name, 'it is no name of a script', `name a file in ${directory}`);
  const file = await realpath(path.join(directory, name)).catch((reason: unknown) => {
    throw refuse(name, fromSystem(reason, name).why, `put it into ${directory}`);
  });
  for (const one of [await realpath(directory), file]) {
    const { mode, uid } = await lstat(one);
    if ((uid !== 0 && uid !== process.geteuid?.()) || (mode & WRITABLE_BY_OTHERS) !== 0)
      throw refuse(name, `${one} can be changed by others`, 'let root alone write to it');
  }
  return file;
};
