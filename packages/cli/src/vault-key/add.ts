import { addHolder, type Vault } from '@holdfast/vault';
import { Command } from 'commander';
import { writeAnswer } from '../output/answer.ts';
import type { Surroundings } from '../surroundings.ts';
import { STORE_HELP, type VaultOptions, vaultOptions, withVault } from '../vault/with-vault.ts';
import { type NewKeyOptions, newKeyOptions, withNewKey } from './new-key.ts';
import { writeKit } from './write-kit.ts';

type AddOptions = VaultOptions & NewKeyOptions;

const HELP = `
Lets one more key open the vault, beside those there are, and writes its recovery kit. A key in Azure
Key Vault never leaves it: process servers use it by the identity of their machine. To add one takes
the rights get and wrapKey, to use it unwrapKey alone.

Examples:
  holdfast vault key add --vault file:/srv/vault --key-file office.key --new-key-file ana.key --label 'Ana, safe 3'
  holdfast vault key add --vault file:/srv/vault --key-file office.key --new-key-vault https://acme.vault.azure.net/keys/office

${STORE_HELP}`;

export const addKeyCommand = (surroundings: Surroundings): Command => {
  const command = vaultOptions(new Command('add').description('let one more key open the vault'));
  for (const option of newKeyOptions()) command.addOption(option);
  return command
    .addHelpText('after', HELP)
    .action((options: AddOptions) => withVault(surroundings, options, (vault) => add(surroundings, options, vault)));
};

const add = (surroundings: Surroundings, options: AddOptions, vault: Vault): Promise<void> =>
  withNewKey(surroundings, options, async ({ key, source }) => {
    const { label = '' } = options;
    const { id, slot } = await addHolder(vault, key, { label });
    const recoveryKit = await writeKit(surroundings, vault, {
      url: options.vault,
      file: options.recoveryKit,
      holderId: id,
      slot,
      key,
      source,
    });
    writeAnswer(surroundings, options, {
      data: { id, label, recoveryKit },
      people: [
        { line: `Holder ${id} can open vault ${vault.name}.` },
        { line: `Its recovery kit is ${recoveryKit}. Print it, keep the paper safe, and remove the file from here.` },
      ],
    });
  });
