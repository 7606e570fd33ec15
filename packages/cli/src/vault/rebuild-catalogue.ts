import { rebuildCatalogue } from '@holdfast/vault';
import { Command } from 'commander';
import { chooseMachine, machineLabel } from '../choose/choose-machine.ts';
import { orStopped } from '../or-stopped.ts';
import { writeAnswer } from '../output/answer.ts';
import { formatCount } from '../output/format.ts';
import { type KeeperKeyOptions, keeperKeyFor, keeperKeyOption } from '../secrets/keeper-key.ts';
import type { Surroundings } from '../surroundings.ts';
import { machineOption, STORE_HELP, type VaultOptions, vaultOptions, withVault } from './with-vault.ts';

interface RebuildOptions extends VaultOptions, KeeperKeyOptions {
  readonly machine?: string;
}

const HELP = `
A catalogue version tells what is live below the log's tail. When the newest ones, or objects
that they need, are damaged or gone, this publishes a new one: from the newest version of which
all is there, and the log since; without any from the log alone. What only the versions passed
over knew is lost, and is named. Try \`holdfast vault repair --from COPY\` first. Shuts the writer
out; it comes back by itself. With --keeper-key only what a keeper vouched for is believed, and the
log: so a version that somebody forged is gone back from.

Example:
  holdfast vault rebuild-catalogue --vault file:/srv/vault --key-file office.key --machine db1

${STORE_HELP}`;

export const rebuildCatalogueCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('rebuild-catalogue').description('make the catalogue of a machine anew from what is left'))
    .addOption(machineOption())
    .addOption(keeperKeyOption())
    .addHelpText('after', HELP)
    .action((options: RebuildOptions) => rebuild(surroundings, options));

const rebuild = (surroundings: Surroundings, options: RebuildOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const machine = chooseMachine(await orStopped(surroundings.stop, vault.machines()), options.machine);
    const report = await orStopped(
      surroundings.stop,
      rebuildCatalogue(vault, machine.id, { keeperKey: await keeperKeyFor(vault, options) }),
    );
    const { basedOn, passedOver, lost, voidCuts, head } = report;
    writeAnswer(surroundings, options, {
      data: { machine: { id: machine.id, name: machine.name }, ...report },
      people: [
        {
          line: `${machineLabel(machine)}: a new catalogue ${basedOn === 0 ? 'out of the log alone' : `on top of version ${basedOn}`}, up to slot ${head.sequence}`,
        },
        ...passedOver.map(({ version, why }) => ({ line: `passed over version ${version}: ${why}` })),
        ...lost.map(({ first, last }) => ({ line: `LOST slots ${first} to ${last}: ${formatCount(voidCuts, 'cut')} behind them void` })),
      ],
    });
    if (lost.length > 0 || voidCuts > 0) surroundings.onFindings();
  });
