import { readFile } from 'node:fs/promises';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { orStopped } from '../or-stopped.ts';
import type { Surroundings } from '../surroundings.ts';

/** Tokens are printable words of less than this. */
const LONGEST = 4096;

/** The token of a person: from a file, from standard input, or asked for. Never an argument: every user of a machine can read those. */
export const readToken = async ({ readInput, askSecret, stop }: Surroundings, file: string | undefined): Promise<string> => {
  const token = (await readWords()).trim();
  if (/^[\x21-\x7e]+$/.test(token) && token.length < LONGEST) return token;
  throw new HoldfastError('SETTING_INVALID', {
    thing: file ?? 'token',
    why: token === '' ? 'there is none' : 'it is not one word of printable characters',
    remedy: 'give the token by standard input or --token-file',
  });

  async function readWords(): Promise<string> {
    if (file !== undefined)
      try {
        return await readFile(file, 'utf8');
      } catch (reason) {
        throw fromSystem(reason, file);
      }
    if (readInput !== undefined) return orStopped(stop, readInput());
    return askSecret === undefined ? '' : orStopped(stop, askSecret('Token'));
  }
};
