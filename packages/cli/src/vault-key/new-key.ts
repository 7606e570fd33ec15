import { readFile } from 'node:fs/promises';
import { type VaultKey, writeKeyFile } from '@holdfast/vault';
import { Option } from 'commander';
import { readPassphrase } from '../secrets/vault-key.ts';
import type { Surroundings } from '../surroundings.ts';
import { refuseExisting } from '../vault/prove-kit.ts';
import type { KitKey } from '../vault/recovery-kit.ts';

export interface NewKeyOptions {
  readonly newKeyFile?: string;
  readonly newPassphraseFile?: string;
  readonly newKeyVault?: string;
  readonly label?: string;
  readonly recoveryKit?: string;
}

/** A key that shall become a holder's. */
export interface NewKey {
  readonly key: VaultKey;
  /** What a recovery kit says of it. */
  readonly source: KitKey;
}

export const newKeyOptions = (): Option[] => [
  new Option('--new-key-file <file>', 'make a new key and write it there').conflicts(['newPassphraseFile', 'newKeyVault']),
  new Option('--new-passphrase-file <file>', 'file that holds the new passphrase; else a question').conflicts('newKeyVault'),
  new Option('--new-key-vault <url>', 'key in Azure Key Vault: https://VAULT.vault.azure.net/keys/NAME'),
  new Option('--label <text>', 'whose key it is, for people'),
  new Option('--recovery-kit <file>', 'where the kit of the new key is written (default: VAULT.HOLDER.recovery-kit.txt)'),
];

/**
 * Does `change` with a new key, made or read. What fails half way may count nevertheless, so a key file that was made stays. Errors: those of `change`
 * and of `readNewKey`.
 */
export const withNewKey = async <T>(
  surroundings: Surroundings,
  options: NewKeyOptions,
  change: (made: NewKey) => Promise<T>,
): Promise<T> => {
  if (options.recoveryKit !== undefined) await refuseExisting(options.recoveryKit);
  const made = await readNewKey(surroundings, options);
  try {
    return await change(made);
  } catch (reason) {
    if (options.newKeyFile !== undefined)
      surroundings.stderr.write(
        `The key in ${options.newKeyFile} may open the vault or not; \`holdfast vault key list\` tells. Keep it until then.\n`,
      );
    throw reason;
  }
};

/** Makes or reads the new key. Errors: SETTING_INVALID, OBJECT_EXISTS, those of files. */
const readNewKey = async (surroundings: Surroundings, options: NewKeyOptions): Promise<NewKey> => {
  const { newKeyFile, newPassphraseFile, newKeyVault } = options;
  if (newKeyFile !== undefined) {
    const key = await writeKeyFile(newKeyFile);
    const line = (await readFile(newKeyFile, 'utf8')).trim();
    return { key, source: { line } };
  }
  if (newKeyVault !== undefined) {
    const key = surroundings.openKeyVault(newKeyVault);
    return { key: { kind: 'key-vault', key }, source: { keyVault: key.id } };
  }
  // The variable that holds the passphrase of now is not the new one.
  const passphrase = await readPassphrase({ ...surroundings, environment: {} }, { passphraseFile: newPassphraseFile }, [
    'New passphrase',
    'The same once more',
  ]);
  return { key: { kind: 'passphrase', passphrase }, source: { passphraseFrom: newPassphraseFile ?? 'the keyboard' } };
};
