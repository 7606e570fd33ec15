import { listHolders, rekeyVault, type Vault } from '@holdfast/vault';
import { Command } from 'commander';
import { writeAnswer } from '../output/answer.ts';
import { formatCount } from '../output/format.ts';
import type { Surroundings } from '../surroundings.ts';
import { STORE_HELP, type VaultOptions, vaultOptions, withVault } from '../vault/with-vault.ts';
import { type NewKeyOptions, newKeyOptions, withNewKey } from './new-key.ts';
import { writeKit } from './write-kit.ts';

type RekeyOptions = VaultOptions & NewKeyOptions;

const HELP = `
For when a key, or a machine that had the vault open, may be in wrong hands. Gives the vault a new root
key that the new key alone opens, and every machine a new data key:
  - every older key and recovery kit opens nothing any more; add the other holders again
  - process servers stop appending within ten minutes, until they have a key that counts: nothing is
    lost, agents keep what they have
  - what is written from now on cannot be read with anything that was known before
  - what was written before stays as it is: who has the old root key and a copy of the objects reads it
Take away the store credential that went with the leaked key too: keys do not keep anybody from
deleting, or from appending under the old ones.

Example:
  holdfast vault key rekey --vault file:/srv/vault --key-file office.key --new-key-file office-2.key

${STORE_HELP}`;

export const rekeyCommand = (surroundings: Surroundings): Command => {
  const command = vaultOptions(new Command('rekey').description('after a leak: a new root key, which older keys do not open'));
  for (const option of newKeyOptions()) command.addOption(option);
  return command
    .addHelpText('after', HELP)
    .action((options: RekeyOptions) => withVault(surroundings, options, (vault) => rekey(surroundings, options, vault)));
};

const rekey = (surroundings: Surroundings, options: RekeyOptions, vault: Vault): Promise<void> =>
  withNewKey(surroundings, options, async ({ key, source }) => {
    const { label = '' } = options;
    const before = (await listHolders(vault)).filter(({ state }) => state !== 'void');
    const machines = await vault.machines();
    const [holder] = await rekeyVault(vault, [{ key, label }]);
    const { id, slot } = holder!;
    const recoveryKit = await writeKit(surroundings, vault, {
      url: options.vault,
      file: options.recoveryKit,
      holderId: id,
      slot,
      key,
      source,
    });
    writeAnswer(surroundings, options, {
      data: {
        id,
        label,
        recoveryKit,
        rootKeys: vault.keys.rootGeneration,
        machines: machines.length,
        removed: before.map((one) => one.id),
      },
      people: [
        {
          line: `Vault ${vault.name} has root key ${vault.keys.rootGeneration}; holder ${id} alone can open it. ${formatCount(machines.length, 'machine')} got new data keys.`,
        },
        {
          line: `${formatCount(before.length, 'older key')} and all older recovery kits open nothing any more. Add the others again with \`holdfast vault key add\`.`,
        },
        { line: `Give process servers a key that counts. The new recovery kit is ${recoveryKit}; destroy the older ones.` },
      ],
    });
  });
