import { readFile } from 'node:fs/promises';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { parseKeyFile, type VaultKey } from '@holdfast/vault';
import { Option } from 'commander';
import { orStopped } from '../or-stopped.ts';
import type { Surroundings } from '../surroundings.ts';

/** Where a passphrase may be put for programs. */
export const PASSPHRASE_VARIABLE = 'HOLDFAST_PASSPHRASE';

export interface KeyOptions {
  readonly keyFile?: string;
  readonly passphraseFile?: string;
}

/** The options that say where the key is. The key itself never stands on a command line: every user of the machine could read it there. */
export const keyOptions = (): Option[] => [
  new Option('--key-file <file>', 'key file of the vault, or its recovery kit').conflicts('passphraseFile'),
  new Option('--passphrase-file <file>', `file that holds the passphrase; else ${PASSPHRASE_VARIABLE} or a question`),
];

/** The key a person or program gave. Errors: SETTING_INVALID when there is none, OBJECT_NOT_FOUND, NO_PERMISSION, DAMAGED. */
export const readVaultKey = async (surroundings: Surroundings, { keyFile, passphraseFile }: KeyOptions): Promise<VaultKey> => {
  if (keyFile !== undefined) return keyIn(await readText(keyFile), keyFile);
  return { kind: 'passphrase', passphrase: await readPassphrase(surroundings, { passphraseFile }, ['Passphrase']) };
};

/** The passphrase from file, environment or person, who is asked each of `questions` and must answer them alike. */
export const readPassphrase = async (
  { environment, askSecret, stop }: Surroundings,
  { passphraseFile }: { readonly passphraseFile: string | undefined },
  questions: readonly string[],
): Promise<string> => {
  // Editors end a file with a line end that nobody typed as part of the passphrase.
  if (passphraseFile !== undefined) return notEmpty((await readText(passphraseFile)).replace(/\r?\n$/, ''), passphraseFile);
  const given = environment[PASSPHRASE_VARIABLE];
  if (given !== undefined) return notEmpty(given, PASSPHRASE_VARIABLE);
  if (askSecret === undefined)
    throw new HoldfastError('SETTING_INVALID', {
      thing: 'key of the vault',
      why: 'none was given, and there is no terminal to ask at',
      remedy: `name it with --key-file or --passphrase-file, or set ${PASSPHRASE_VARIABLE}`,
    });
  const answers: string[] = [];
  for (const question of questions) answers.push(await orStopped(stop, askSecret(question)));
  if (answers.some((answer) => answer !== answers[0]))
    throw new HoldfastError('SETTING_INVALID', { thing: 'passphrase', why: 'the two are not the same', remedy: 'type it again' });
  return notEmpty(answers[0] ?? '', 'passphrase');
};

/** A key file is one line; a recovery kit has that line among others. */
export const keyIn = (content: string, path: string): VaultKey =>
  parseKeyFile(/^\s*(holdfast-key-1:\S+)\s*$/im.exec(content)?.[1] ?? content, path);

const readText = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (reason) {
    throw fromSystem(reason, path);
  }
};

const notEmpty = (passphrase: string, where: string): string => {
  if (passphrase !== '') return passphrase;
  throw new HoldfastError('SETTING_INVALID', { thing: where, why: 'the passphrase is empty', remedy: 'give the passphrase of the vault' });
};
