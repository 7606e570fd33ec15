import { readFile } from 'node:fs/promises';
import { copyKeySlot } from '@holdfast/vault';
import { Command } from 'commander';
import { writeAnswer } from '../output/answer.ts';
import { keyLineIn, readVaultKey } from '../secrets/vault-key.ts';
import type { Surroundings } from '../surroundings.ts';
import type { KitKey } from '../vault/recovery-kit.ts';
import { STORE_HELP, type VaultOptions, vaultOptions, withVault } from '../vault/with-vault.ts';
import { writeKit } from './write-kit.ts';

interface KitOptions extends VaultOptions {
  readonly recoveryKit?: string;
}

const HELP = `
Writes a recovery kit for the key you open the vault with: a page to print, with a copy of the key
slot, so that the vault can be opened although it lost its own. The command is done when the kit was
read back and opened the vault.

Example:
  holdfast vault key kit --vault file:/srv/vault --key-file office.key

${STORE_HELP}`;

export const kitCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('kit').description('write the recovery kit of a key'))
    .option('--recovery-kit <file>', 'where the kit is written (default: VAULT.HOLDER.recovery-kit.txt)')
    .addHelpText('after', HELP)
    .action(async (options: KitOptions) => {
      // Once, and not again to prove the kit: a passphrase may be asked for.
      const { key, slots } = await readVaultKey(surroundings, options);
      await withVault(
        surroundings,
        options,
        async (vault) => {
          const slot = await copyKeySlot(vault, vault.slotId).catch((reason: unknown) => slots[0] ?? Promise.reject(reason));
          const recoveryKit = await writeKit(surroundings, vault, {
            url: options.vault,
            file: options.recoveryKit,
            holderId: vault.slotId,
            slot,
            key,
            source: await sourceOf(options),
          });
          writeAnswer(surroundings, options, {
            data: { id: vault.slotId, recoveryKit },
            people: [
              {
                line: `The recovery kit ${recoveryKit} was read back and opens vault ${vault.name}. Print it, keep the paper safe, and remove the file from here.`,
              },
            ],
          });
        },
        { key, slots },
      );
    });

const sourceOf = async ({ keyFile, passphraseFile, keyVault }: KitOptions): Promise<KitKey> => {
  if (keyFile !== undefined) return { line: keyLineIn(await readFile(keyFile, 'utf8')) };
  if (keyVault !== undefined) return { keyVault };
  return { passphraseFrom: passphraseFile ?? 'the keyboard' };
};
