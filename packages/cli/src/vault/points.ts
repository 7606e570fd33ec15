import { lastProven, type MachineHistory, type RecordedProof } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { machineLabel } from '../choose/choose-machine.ts';
import { type Part, writeAnswer } from '../output/answer.ts';
import { formatCount, formatTime } from '../output/format.ts';
import { parseCount } from '../parse-count.ts';
import type { Surroundings } from '../surroundings.ts';
import { describePoints, type PointDescription, pointsTable } from './describe-points.ts';
import { describeWritings, tellWriting, type WritingDescription } from './describe-writings.ts';
import { machineOption, readMachines, STORE_HELP, type VaultOptions, vaultOptions, withVault } from './with-vault.ts';

interface PointsOptions extends VaultOptions {
  readonly machine?: string;
  readonly limit: number;
}

const HELP = `
A point is an instant at which every disk of the machine is held exactly. KIND says how it was
made: crash (as after a power loss), filesystem (frozen and flushed), application (its scripts
ran). BREAK names disks whose tracking began anew between the point before and this one, and
why; every point is good all the same. CHANGED is what was written since the point before.

Writing that a machine never did before, much of it and nearly all of a kind that does not compress,
is noted: it may be an archive, or files that are being encrypted. Then the share of it that lies over
data that was there is told, and the last point before it; the status is 1 when it is half or more.

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
    const machines = [];
    for (const history of await readMachines(surroundings, vault, options.machine))
      machines.push({
        history,
        points: describePoints(history, surroundings.now(), options.limit),
        writings: await describeWritings(surroundings, history),
        proven: await lastProven(history.vault, history.machine.id),
      });
    if (machines.some(({ writings }) => writings.some(({ suspicious }) => suspicious))) surroundings.onFindings();
    writeAnswer(surroundings, options, {
      data: machines.map(({ history: { machine, points: all, damage }, points: shown, writings, proven }) => ({
        machine: { id: machine.id, name: machine.name },
        total: all.length,
        points: shown,
        unusualWriting: writings,
        ...(proven !== undefined && { lastProven: { point: proven.pointId, proven: formatTime(proven.time), proof: proven.number } }),
        damage,
      })),
      people:
        machines.length === 0
          ? [{ line: 'No machine is registered in this vault.' }]
          : machines.flatMap((one, at) => describe(one, at > 0)),
    });
  });

interface Described {
  readonly history: MachineHistory;
  readonly points: readonly PointDescription[];
  readonly writings: readonly WritingDescription[];
  readonly proven: RecordedProof | undefined;
}

const describe = ({ history, points: shown, writings, proven }: Described, gap: boolean): Part[] => {
  const { machine, points: all, damage, failedOver } = history;
  const newest = shown.length < all.length ? `, the newest ${shown.length} of them` : '';
  return [
    ...(gap ? [{ line: '' }] : []),
    { line: `${machineLabel(machine)} (${machine.id}): ${formatCount(all.length, 'point')}${newest}` },
    ...(failedOver === undefined ? [] : [{ line: `Failed over to point ${failedOver.pointId}.` }]),
    ...damage.map(({ object, why }) => ({ line: `DAMAGED ${object}: ${why}; what came after it in the log is not shown.` })),
    ...(shown.length === 0 ? [] : [pointsTable(shown)]),
    ...writings.flatMap(tellWriting),
    ...(proven === undefined
      ? []
      : [{ line: `Last proven point: ${proven.pointId}, proven ${formatTime(proven.time)} (proof ${proven.number})` }]),
  ];
};
