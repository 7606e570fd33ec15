import { readFile, rm } from 'node:fs/promises';
import { HoldfastError } from '@holdfast/errors';
import { copyKeySlot, createVault, type VaultKey, writeKeyFile } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { type OutputOptions, outputOption, writeAnswer } from '../output/answer.ts';
import { PASSPHRASE_VARIABLE, readPassphrase } from '../secrets/vault-key.ts';
import type { Surroundings } from '../surroundings.ts';
import { kitFileOf, proveKit, refuseExisting } from './prove-kit.ts';
import type { KitKey, RecoveryKit } from './recovery-kit.ts';
import { STORE_HELP } from './with-vault.ts';

interface CreateOptions extends OutputOptions {
  readonly store: string;
  readonly name: string;
  readonly passphraseFile?: string;
  readonly newKeyFile?: string;
  readonly keyVault?: string;
  readonly recoveryKit?: string;
}

const HELP = `
Makes an empty vault and a recovery kit: a page of text with the address of the vault, how to
recover from it, and the key (or, with a passphrase or a key vault, where that is). The command is done when
the kit was read back and opened the vault. Print it, and keep it away from the machines you
protect.

Examples:
  holdfast vault create --store file:/srv/vault --name office --new-key-file /root/office.key
  holdfast vault create --store azure:https://acme.blob.core.windows.net/vaults --name office --passphrase-file /root/passphrase
  holdfast vault create --store file:/srv/vault --name office --key-vault https://acme.vault.azure.net/keys/office

${STORE_HELP}`;

export const createCommand = (surroundings: Surroundings): Command =>
  new Command('create')
    .description('make a vault and its recovery kit')
    .addOption(new Option('--store <url>', 'where the vault shall be (required)').makeOptionMandatory())
    .addOption(new Option('--name <name>', 'what people call it (required)').makeOptionMandatory())
    .addOption(new Option('--new-key-file <file>', 'make a new key and write it there').conflicts(['passphraseFile', 'keyVault']))
    .addOption(
      new Option('--passphrase-file <file>', `file that holds the passphrase; else ${PASSPHRASE_VARIABLE} or a question`).conflicts(
        'keyVault',
      ),
    )
    .addOption(new Option('--key-vault <url>', 'key in Azure Key Vault that shall open it: https://VAULT.vault.azure.net/keys/NAME'))
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
  const kitFile = options.recoveryKit ?? kitFileOf(name);
  await refuseExisting(kitFile);
  const { key, source } = await chooseKey(surroundings, options);
  let kit: RecoveryKit;
  try {
    kit = await createAt(surroundings, options, key, source);
  } catch (reason) {
    // The new key opens nothing: the vault did not come into being.
    if (newKeyFile !== undefined) await rm(newKeyFile, { force: true });
    throw reason;
  }
  await proveKit(surroundings, kitFile, kit, key, 'the vault is empty: delete its folder or container and create it again');
  writeAnswer(surroundings, options, {
    data: {
      id: kit.vaultId,
      name,
      url: kit.vaultUrl,
      fingerprint: kit.fingerprint,
      recoveryKit: kitFile,
      ...(newKeyFile !== undefined && { keyFile: newKeyFile }),
    },
    people: [
      { line: `Vault ${name} is at ${kit.vaultUrl} (id ${kit.vaultId}, fingerprint ${kit.fingerprint}).` },
      ...(newKeyFile === undefined ? [] : [{ line: `Its key is in ${newKeyFile}.` }]),
      { line: `The recovery kit ${kitFile} was read back and opens it. Print it, keep the paper safe, and remove the file from here.` },
    ],
  });
};

const chooseKey = async (
  surroundings: Surroundings,
  { newKeyFile, passphraseFile, keyVault }: CreateOptions,
): Promise<{ key: VaultKey; source: KitKey }> => {
  if (newKeyFile !== undefined) {
    const key = await writeKeyFile(newKeyFile);
    return { key, source: { line: (await readFile(newKeyFile, 'utf8')).trim() } };
  }
  if (keyVault !== undefined) {
    const key = surroundings.openKeyVault(keyVault);
    return { key: { kind: 'key-vault', key }, source: { keyVault: key.id } };
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
  source: KitKey,
): Promise<RecoveryKit> => {
  const store = await openStore(url);
  try {
    const vault = await createVault(store, { name, keys: [key] });
    const slot = await copyKeySlot(vault, vault.slotId);
    vault.keys.clear();
    const { id: vaultId, created, fingerprint } = vault;
    return { vaultUrl: url, vaultId, vaultName: name, created, fingerprint, key: source, slot };
  } finally {
    await store.close();
  }
};
