import { type MachineHistory, pointDisks } from '@holdfast/vault';
import { machineLabel } from '../choose/choose-machine.ts';
import { choosePoint } from '../choose/choose-point.ts';
import { type Part, writeAnswer } from '../output/answer.ts';
import { formatBytes, formatCount, formatSeconds, formatTime } from '../output/format.ts';
import type { Surroundings } from '../surroundings.ts';
import { describePoints, pointsTable } from '../vault/describe-points.ts';
import type { RecoverOptions } from './recover-options.ts';

/** Points shown of one machine; `vault points --limit` shows more. */
const SHOWN = 20;

/** The machines there are, and the newest point of each. */
export const listMachines = (surroundings: Surroundings, options: RecoverOptions, histories: readonly MachineHistory[]): void => {
  const machines = histories.map((history) => {
    const newest = history.points.at(-1);
    const disks = newest === undefined ? [] : pointDisks(history, newest);
    return { history, newest, disks: disks.length, bytes: disks.reduce((sum, { size }) => sum + size, 0) };
  });
  writeAnswer(surroundings, options, {
    data: machines.map(({ history: { machine, points, damage, failedOver }, newest, disks, bytes }) => ({
      id: machine.id,
      name: machine.name,
      system: newest?.manifest?.operatingSystem?.prettyName ?? '',
      disks,
      bytes,
      points: points.length,
      ...(newest !== undefined && { newestPoint: { id: newest.id, time: formatTime(newest.time) } }),
      ...(failedOver !== undefined && { failedOver }),
      damage,
    })),
    people:
      histories.length === 0
        ? [{ line: 'No machine is registered in this vault: there is nothing to recover.' }]
        : [
            {
              columns: [
                { heading: 'MACHINE', shrink: true },
                { heading: 'ID', shrink: true },
                { heading: 'SYSTEM', shrink: true },
                { heading: 'DISKS', right: true },
                { heading: 'SIZE', right: true },
                { heading: 'POINTS', right: true },
                { heading: 'NEWEST POINT' },
              ],
              rows: machines.map(({ history: { machine, points }, newest, disks, bytes }) => [
                machineLabel(machine),
                machine.id,
                newest?.manifest?.operatingSystem?.prettyName ?? '',
                String(disks),
                formatBytes(bytes),
                String(points.length),
                newest === undefined ? 'none yet' : formatTime(newest.time),
              ]),
            },
            ...damageOf(histories),
            { line: 'Next: --machine NAME lists its points; --export DIRECTORY or --serve ADDRESS with it recovers.' },
          ],
  });
};

/** One machine: its points, and the disks of the one that was chosen. */
export const listMachine = (surroundings: Surroundings, options: RecoverOptions, history: MachineHistory): void => {
  const { machine, points, damage, failedOver } = history;
  const shown = describePoints(history, surroundings.now(), SHOWN);
  const chosen = points.length === 0 && options.point === undefined ? undefined : choosePoint(history, options.point ?? 'latest');
  const disks = chosen === undefined ? [] : pointDisks(history, chosen);
  writeAnswer(surroundings, options, {
    data: {
      machine: { id: machine.id, name: machine.name },
      total: points.length,
      points: shown,
      ...(chosen !== undefined && {
        chosen: { id: chosen.id, time: formatTime(chosen.time), disks: disks.map(({ id, name, size }) => ({ id, name, size })) },
      }),
      ...(failedOver !== undefined && { failedOver }),
      damage,
    },
    people: [
      { line: `${machineLabel(machine)} (${machine.id}): ${formatCount(points.length, 'point')}` },
      ...(shown.length === 0 ? [] : [pointsTable(shown)]),
      ...damageOf([history]),
      ...(chosen === undefined
        ? []
        : [
            { line: '' },
            { line: `Point ${chosen.id} of ${formatTime(chosen.time)}, ${ageOf(surroundings, chosen.time)}:` },
            {
              columns: [{ heading: 'DISK' }, { heading: 'SIZE', right: true }, { heading: 'ID' }],
              rows: disks.map(({ name, size, id }) => [name, formatBytes(size), id]),
            },
            { line: 'Next: --export DIRECTORY writes these disks into images, --serve ADDRESS serves them at once.' },
          ]),
    ],
  });
};

const ageOf = ({ now }: Surroundings, time: number): string => {
  const seconds = (now() - time) / 1000;
  return seconds < 0 ? 'in the future by the clock here' : `${formatSeconds(seconds)} old`;
};

const damageOf = (histories: readonly MachineHistory[]): Part[] =>
  histories.flatMap(({ machine, damage }) =>
    damage.map(({ object, why }) => ({
      line: `DAMAGED log of ${machineLabel(machine)}: ${object}: ${why}; points after it cannot be seen.`,
    })),
  );
