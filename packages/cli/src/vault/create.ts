import { access, readFile, rm } from 'node:fs/promises';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { createVault, openVault, type VaultKey, writeKeyFile } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { type OutputOptions, outputOption, writeAnswer } from '../output/answer.ts';
import { keyIn, PASSPHRASE_VARIABLE, readPassphrase } from '../secrets/vault-key.ts';
import type { Surroundings } from '../surroundings.ts';
import { type RecoveryKit, readRecoveryKit, writeRecoveryKit } from './recovery-kit.ts';
import { STORE_HELP } from './with-vault.ts';

interface CreateOptions extends OutputOptions {
  readonly store: string;
  readonly name: string;
  readonly passphraseFile?: string;
  readonly newKeyFile?: string;
  readonly recoveryKit?: string;
}

const HELP = `
Makes an empty vault and a recovery kit: a page of text with the address of the vault, how to
recover from it, and the key (or, with a passphrase, where that is). The command is done when
the kit was read back and opened the vault. Print it, and keep it away from the machines you
protect.

Examples:
  holdfast vault create --store file:/srv/vault --name office --new-key-file /root/office.key
  holdfast vault create --store azure:https://acme.blob.core.windows.net/vaults --name office --passphrase-file /root/passphrase

${STORE_HELP}`;

export const createCommand = (surroundings: Surroundings): Command =>
  new Command('create')
    .description('make a vault and its recovery kit')
    .addOption(new Option('--store <url>', 'where the vault shall be (required)').makeOptionMandatory())
    .addOption(new Option('--name <name>', 'what people call it (required)').makeOptionMandatory())
    .addOption(new Option('--new-key-file <file>', 'make a new key and write it there').conflicts('passphraseFile'))
    .addOption(new Option('--passphrase-file <file>', `file that holds the passphrase; else ${PASSPHRASE_VARIABLE} or a question`))
    .addOption(new Option('--recovery-kit <file>', 'where the kit is written (default: NAME.recovery-kit.txt)'))
    .addOption(outputOption())
    .addHelpText('after', HELP)
    .action((options: CreateOptions) => create(surroundings, options));

const create = async (surroundings: Surroundings, options: CreateOptions): Promise<void> => {
  const { name, newKeyFile } = options;
  if (!/\S/.test(name) || name.length > 100)
    throw new HoldfastError('SETTING_INVALID', {
      thing: '--name',
      why: 'it is empty or longer than 100 characters',
      remedy: 'give a short name',
    });
  const kitFile = options.recoveryKit ?? `${name.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replace(/^[.-]+/, '') || 'vault'}.recovery-kit.txt`;
  if (await exists(kitFile))
    throw new HoldfastError('OBJECT_EXISTS', {
      thing: kitFile,
      why: 'it may be the kit of another vault',
      remedy: 'name another file with --recovery-kit',
    });
  const { key, source } = await chooseKey(surroundings, options);
  let kit: RecoveryKit;
  try {
    kit = await createAt(surroundings, options, key, source);
  } catch (reason) {
    // The new key opens nothing: the vault did not come into being.
    if (newKeyFile !== undefined) await rm(newKeyFile, { force: true });
    throw reason;
  }
  await proveKit(surroundings, kitFile, kit, key);
  writeAnswer(surroundings, options, {
    data: { id: kit.vaultId, name, url: kit.vaultUrl, recoveryKit: kitFile, ...(newKeyFile !== undefined && { keyFile: newKeyFile }) },
    people: [
      { line: `Vault ${name} is at ${kit.vaultUrl} (id ${kit.vaultId}).` },
      ...(newKeyFile === undefined ? [] : [{ line: `Its key is in ${newKeyFile}.` }]),
      { line: `The recovery kit ${kitFile} was read back and opens it. Print it, keep the paper safe, and remove the file from here.` },
    ],
  });
};

const chooseKey = async (
  surroundings: Surroundings,
  { newKeyFile, passphraseFile }: CreateOptions,
): Promise<{ key: VaultKey; source: RecoveryKit['key'] }> => {
  if (newKeyFile !== undefined) {
    const key = await writeKeyFile(newKeyFile);
    return { key, source: { line: (await readFile(newKeyFile, 'utf8')).trim() } };
  }
  const passphrase = await readPassphrase(surroundings, { passphraseFile }, ['Passphrase of the new vault', 'The same once more']);
  const passphraseFrom =
    passphraseFile ?? (surroundings.environment[PASSPHRASE_VARIABLE] === undefined ? 'the keyboard' : PASSPHRASE_VARIABLE);
  return { key: { kind: 'passphrase', passphrase }, source: { passphraseFrom } };
};

const createAt = async (
  { openStore }: Surroundings,
  { store: url, name }: CreateOptions,
  key: VaultKey,
  source: RecoveryKit['key'],
): Promise<RecoveryKit> => {
  const store = await openStore(url);
  try {
    const vault = await createVault(store, { name, keys: [key] });
    vault.keys.clear();
    return { vaultUrl: url, vaultId: vault.id, vaultName: name, created: vault.created, key: source };
  } finally {
    await store.close();
  }
};

/** Writes the kit, then goes the way of somebody who has nothing else: from the file's text to an open vault. */
const proveKit = async ({ openStore }: Surroundings, path: string, kit: RecoveryKit, key: VaultKey): Promise<void> => {
  try {
    await writeRecoveryKit(path, kit);
    const { vaultUrl, vaultId, text } = await readRecoveryKit(path);
    const store = await openStore(vaultUrl);
    try {
      const vault = await openVault(store, 'line' in kit.key ? keyIn(text, path) : key);
      vault.keys.clear();
      if (vault.id !== vaultId) throw new Error(`it names vault ${vaultId}, and there is vault ${vault.id}`);
    } finally {
      await store.close();
    }
  } catch (reason) {
    throw new HoldfastError(isHoldfastError(reason) ? reason.code : 'DAMAGED', {
      thing: `recovery kit ${path}`,
      why: `the vault ${kit.vaultId} was made at ${kit.vaultUrl}, but its kit was not proven: ${(reason as Error).message}`,
      remedy: 'the vault is empty: delete its folder or container and create it again',
      cause: reason,
    });
  }
};

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
