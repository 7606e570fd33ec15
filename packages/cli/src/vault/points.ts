import type { MachineHistory } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { machineLabel } from '../choose/choose-machine.ts';
import { type Part, writeAnswer } from '../output/answer.ts';
import { formatCount } from '../output/format.ts';
import { parseCount } from '../parse-count.ts';
import type { Surroundings } from '../surroundings.ts';
import { describePoints, type PointDescription, pointsTable } from './describe-points.ts';
import { machineOption, readMachines, STORE_HELP, type VaultOptions, vaultOptions, withVault } from './with-vault.ts';

interface PointsOptions extends VaultOptions {
  readonly machine?: string;
  readonly limit: number;
}

const HELP = `
A point is an instant at which every disk of the machine is held exactly. KIND says how it was
made: crash (as after a power loss), filesystem (frozen and flushed), application (its scripts
ran). BREAK names disks whose tracking began anew between the point before and this one, and
why; every point is good all the same.

Examples:
  holdfast vault points --vault file:/srv/vault --key-file /root/office.key
  holdfast vault points --vault file:/srv/vault --key-file /root/office.key --machine db1 --limit 100 --output json

${STORE_HELP}`;

export const pointsCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('points').description('list the recovery points, newest first'))
    .addOption(machineOption())
    .addOption(new Option('--limit <count>', 'points of each machine').argParser(parseCount).default(20))
    .addHelpText('after', HELP)
    .action((options: PointsOptions) => points(surroundings, options));

const points = (surroundings: Surroundings, options: PointsOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const machines = (await readMachines(surroundings, vault, options.machine)).map((history) => ({
      history,
      points: describePoints(history, surroundings.now(), options.limit),
    }));
    writeAnswer(surroundings, options, {
      data: machines.map(({ history: { machine, points: all, damage }, points: shown }) => ({
        machine: { id: machine.id, name: machine.name },
        total: all.length,
        points: shown,
        damage,
      })),
      people:
        machines.length === 0
          ? [{ line: 'No machine is registered in this vault.' }]
          : machines.flatMap((one, at) => describe(one, at > 0)),
    });
  });

const describe = ({ history, points: shown }: { history: MachineHistory; points: PointDescription[] }, gap: boolean): Part[] => {
  const { machine, points: all, damage, failedOver } = history;
  const newest = shown.length < all.length ? `, the newest ${shown.length} of them` : '';
  return [
    ...(gap ? [{ line: '' }] : []),
    { line: `${machineLabel(machine)} (${machine.id}): ${formatCount(all.length, 'point')}${newest}` },
    ...(failedOver === undefined ? [] : [{ line: `Failed over to point ${failedOver.pointId}.` }]),
    ...damage.map(({ object, why }) => ({ line: `DAMAGED ${object}: ${why}; what came after it in the log is not shown.` })),
    ...(shown.length === 0 ? [] : [pointsTable(shown)]),
  ];
};
