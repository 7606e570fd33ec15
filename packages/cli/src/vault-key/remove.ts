import { listHolders, removeHolder } from '@holdfast/vault';
import { Command } from 'commander';
import { chooseResource } from '../choose/choose-resource.ts';
import { writeAnswer } from '../output/answer.ts';
import type { Surroundings } from '../surroundings.ts';
import { STORE_HELP, type VaultOptions, vaultOptions, withVault } from '../vault/with-vault.ts';

const HELP = `
Takes a key back: nobody opens the vault by it any more. The key you open the vault with cannot be
taken back, so that one is always left that is known to work. This is for keys that were replaced or
are not needed any more. Whoever used the key may have kept what it opens: when it may be in wrong
hands, \`holdfast vault key rekey\` is what you want.

Needs a store credential that may delete.

Example:
  holdfast vault key remove 5f3c --vault file:/srv/vault --key-file office.key

${STORE_HELP}`;

export const removeKeyCommand = (surroundings: Surroundings): Command =>
  vaultOptions(
    new Command('remove').description('take a key back').argument('<holder>', 'label, id, or the first two or more digits of the id'),
  )
    .addHelpText('after', HELP)
    .action((word: string, options: VaultOptions) =>
      withVault(surroundings, options, async (vault) => {
        const holders = (await listHolders(vault)).map(({ id, label }) => ({ id, name: label }));
        const { id, name } = chooseResource(holders, word, { one: 'holder', many: 'holders', missing: 'KEY_NOT_FOUND' });
        await removeHolder(vault, id);
        writeAnswer(surroundings, options, {
          data: { id, label: name, removed: true },
          people: [{ line: `Holder ${id} opens vault ${vault.name} no more.` }],
        });
      }),
    );
