import { readFile } from 'node:fs/promises';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { parseKeyFile, type VaultKey } from '@holdfast/vault';
import { Option } from 'commander';
import { orStopped } from '../or-stopped.ts';
import type { Surroundings } from '../surroundings.ts';
import { slotIn } from './kit-slot.ts';

/** Where a passphrase may be put for programs. */
export const PASSPHRASE_VARIABLE = 'HOLDFAST_PASSPHRASE';

export interface KeyOptions {
  readonly keyFile?: string;
  readonly passphraseFile?: string;
  readonly keyVault?: string;
  readonly kit?: string;
}

/** A key, and the copy of its key slot that a recovery kit has: the vault may have lost its own. */
export interface ReadKey {
  readonly key: VaultKey;
  readonly slots: readonly Uint8Array[];
}

/** The options that say where the key is. The key itself never stands on a command line: every user of the machine could read it there. */
export const keyOptions = (): Option[] => [
  new Option('--key-file <file>', 'key file of the vault, or its recovery kit').conflicts(['passphraseFile', 'keyVault']),
  new Option('--passphrase-file <file>', `file that holds the passphrase; else ${PASSPHRASE_VARIABLE} or a question`).conflicts('keyVault'),
  new Option('--key-vault <url>', 'key in Azure Key Vault, https://VAULT.vault.azure.net/keys/NAME, by the identity of this machine'),
  new Option('--kit <file>', 'recovery kit of a holder by passphrase or key vault, when the vault has lost its key slots'),
];

/** The key a person or program gave. Errors: SETTING_INVALID when there is none, OBJECT_NOT_FOUND, NO_PERMISSION, DAMAGED. */
export const readVaultKey = async (
  surroundings: Surroundings,
  { keyFile, passphraseFile, keyVault, kit }: KeyOptions,
): Promise<ReadKey> => {
  const kitFile = kit ?? keyFile;
  const slot = kitFile === undefined ? undefined : slotIn(await readText(kitFile), kitFile);
  const slots = slot === undefined ? [] : [slot];
  if (keyFile !== undefined) return { key: keyIn(await readText(keyFile), keyFile), slots };
  if (keyVault !== undefined) return { key: { kind: 'key-vault', key: surroundings.openKeyVault(keyVault) }, slots };
  return { key: { kind: 'passphrase', passphrase: await readPassphrase(surroundings, { passphraseFile }, ['Passphrase']) }, slots };
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
      remedy: `name it with --key-file, --passphrase-file or --key-vault, or set ${PASSPHRASE_VARIABLE}`,
    });
  const answers: string[] = [];
  for (const question of questions) answers.push(await orStopped(stop, askSecret(question)));
  if (answers.some((answer) => answer !== answers[0]))
    throw new HoldfastError('SETTING_INVALID', { thing: 'passphrase', why: 'the two are not the same', remedy: 'type it again' });
  return notEmpty(answers[0] ?? '', 'passphrase');
};

/** A key file is one line; a recovery kit has that line among others. */
export const keyLineIn = (content: string): string => /^\s*(holdfast-key-1:\S+)\s*$/im.exec(content)?.[1] ?? content.trim();

export const keyIn = (content: string, path: string): VaultKey => parseKeyFile(keyLineIn(content), path);

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
