import { rotateKeys } from '@holdfast/vault';
import { Command } from 'commander';
import { chooseMachine, machineLabel } from '../choose/choose-machine.ts';
import { writeAnswer } from '../output/answer.ts';
import type { Surroundings } from '../surroundings.ts';
import { STORE_HELP, type VaultOptions, vaultOptions, withVault } from '../vault/with-vault.ts';

interface RotateOptions extends VaultOptions {
  readonly machine?: string;
}

const HELP = `
Begins a new data key for a machine, or for all of them. What is written from now on is under it;
what was written stays readable. Process servers at work take it up within ten minutes. Also finishes
what a \`vault key\` command that was killed left undone.

Examples:
  holdfast vault key rotate --vault file:/srv/vault --key-file office.key
  holdfast vault key rotate --vault file:/srv/vault --key-file office.key --machine db1

${STORE_HELP}`;

export const rotateKeysCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('rotate').description('begin new data keys'))
    .option('-m, --machine <machine>', 'name or id; all machines unless told')
    .addHelpText('after', HELP)
    .action((options: RotateOptions) =>
      withVault(surroundings, options, async (vault) => {
        const machines = await vault.machines();
        const machineIds = options.machine === undefined ? undefined : [chooseMachine(machines, options.machine).id];
        const epochs = await rotateKeys(vault, { ...(machineIds !== undefined && { machineIds }) });
        writeAnswer(surroundings, options, {
          data: epochs,
          people: [
            {
              columns: [
                { heading: 'MACHINE', shrink: true },
                { heading: 'ID', shrink: true },
                { heading: 'KEY EPOCH', right: true },
              ],
              rows: epochs.map(({ machineId, epoch }) => [
                machineLabel(machines.find(({ id }) => id === machineId)!),
                machineId,
                String(epoch),
              ]),
            },
          ],
        });
      }),
    );
