import { Command } from 'commander';
import type { Surroundings } from '../surroundings.ts';
import { machineOption, pointOption, readMachines, STORE_HELP, vaultOptions, withVault } from '../vault/with-vault.ts';
import { listMachine, listMachines } from './list.ts';
import type { RecoverOptions } from './recover-options.ts';

const HELP = `
Lists the machines of a vault; of one machine, its newest points and what a word for a point means.

Examples:
  holdfast recover points --vault file:/srv/vault --key-file office.key
  holdfast recover points --vault file:/srv/vault --key-file office.key --machine db1 --point 2026-11-22T01:02:03Z

${STORE_HELP}`;

export const recoverPointsCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('points').description('what there is to recover from'))
    .addOption(machineOption())
    .addOption(pointOption())
    .addHelpText('after', HELP)
    .action((options: RecoverOptions) => showPoints(surroundings, options));

/** One machine with its points, or all machines. */
export const showPoints = (surroundings: Surroundings, options: RecoverOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const histories = await readMachines(surroundings, vault, options.machine);
    const [only] = histories;
    if (only !== undefined && histories.length === 1) listMachine(surroundings, options, only);
    else listMachines(surroundings, options, histories);
  });
