import { HoldfastError } from '@holdfast/errors';
import { type HoldSummary, holdMachine, listHolds, releaseHold } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { chooseMachine, machineLabel } from '../choose/choose-machine.ts';
import { choosePoint } from '../choose/choose-point.ts';
import { orStopped } from '../or-stopped.ts';
import { type Answer, writeAnswer } from '../output/answer.ts';
import { formatTime } from '../output/format.ts';
import { parseSeconds } from '../parse-seconds.ts';
import type { Surroundings } from '../surroundings.ts';
import { machineOption, readChosenMachine, STORE_HELP, type VaultOptions, vaultOptions, withVault } from './with-vault.ts';

interface HoldCommandOptions extends VaultOptions {
  readonly machine?: string;
  readonly point?: string;
  readonly reason?: string;
  readonly for?: number;
}

const HOLD_HELP = `
A hold keeps everything that a machine's history has now from being deleted, for somebody who
reads for long; with --point it keeps a point from being forgotten too, whatever the retention
says. It lasts until it is released, or for the time told, by the clock of the store. Without
--reason the holds that there are are listed.

Examples:
  holdfast vault hold --vault file:/srv/vault --key-file office.key --machine db1 --point latest --reason 'before the upgrade'
  holdfast vault hold --vault file:/srv/vault --key-file office.key --machine db1

${STORE_HELP}`;

const RELEASE_HELP = `
Takes a hold away. HOLD is its id or the first four or more digits of it; \`holdfast vault hold\`
lists them.

Example:
  holdfast vault release 5f3c --vault file:/srv/vault --key-file office.key --machine db1

${STORE_HELP}`;

export const holdCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('hold').description('keep a point, and what is there now, from being deleted; list holds'))
    .addOption(machineOption())
    .addOption(new Option('-p, --point <point>', 'also a point that retention shall not forget'))
    .addOption(new Option('--reason <text>', 'why, for people; makes a hold'))
    .addOption(new Option('--for <time>', 'how long it lasts; until it is released unless told').argParser(parseSeconds))
    .addHelpText('after', HOLD_HELP)
    .action((options: HoldCommandOptions) => hold(surroundings, options));

export const releaseCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('release').description('take a hold away').argument('<hold>', 'id of the hold, or its beginning'))
    .addOption(machineOption())
    .addHelpText('after', RELEASE_HELP)
    .action((word: string, options: HoldCommandOptions) => release(surroundings, word, options));

const hold = (surroundings: Surroundings, options: HoldCommandOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const { stop } = surroundings;
    const history = await readChosenMachine(surroundings, vault, options.machine);
    if (options.reason !== undefined) {
      const points = options.point === undefined ? [] : [choosePoint(history, options.point).id];
      const lasts = options.for === undefined ? 0 : options.for * 1000;
      const made = await orStopped(stop, holdMachine(vault, history.machine.id, { points, lasts, reason: options.reason }));
      surroundings.stderr.write(`Held as ${made.id}.\n`);
    } else if (options.point !== undefined || options.for !== undefined)
      throw new HoldfastError('SETTING_INVALID', {
        thing: '--reason',
        why: 'a hold without a reason is one that nobody dares to release',
        remedy: 'say why in a few words',
      });
    writeAnswer(surroundings, options, describe(history.machine, await orStopped(stop, listHolds(vault, history.machine.id))));
  });

const release = (surroundings: Surroundings, word: string, options: HoldCommandOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const { stop } = surroundings;
    const machine = chooseMachine(await orStopped(stop, vault.machines()), options.machine);
    const holds = await orStopped(stop, listHolds(vault, machine.id));
    const meant = holds.filter(({ id }) => id === word || (word.length >= 4 && id.startsWith(word.toLowerCase())));
    if (meant.length !== 1)
      throw new HoldfastError('OBJECT_NOT_FOUND', {
        thing: `hold ${word}`,
        why: `${meant.length === 0 ? 'no hold' : 'more than one hold'} of ${machineLabel(machine)} begins like that`,
        remedy: 'list them with `holdfast vault hold`',
      });
    await orStopped(stop, releaseHold(vault, machine.id, meant[0]!.id));
    writeAnswer(surroundings, options, describe(machine, await orStopped(stop, listHolds(vault, machine.id))));
  });

const describe = (machine: { readonly id: string; readonly name: string }, holds: readonly HoldSummary[]): Answer => ({
  data: {
    machine: { id: machine.id, name: machine.name },
    holds: holds.map(({ id, created, ends, points, reason }) => ({
      id,
      created: formatTime(created),
      ...(Number.isFinite(ends) && { ends: formatTime(ends) }),
      points,
      reason,
    })),
  },
  people:
    holds.length === 0
      ? [{ line: `No holds on ${machineLabel(machine)}.` }]
      : [
          {
            columns: [
              { heading: 'HOLD', shrink: true },
              { heading: 'CREATED' },
              { heading: 'ENDS' },
              { heading: 'POINTS', shrink: true },
              { heading: 'REASON', shrink: true },
            ],
            rows: holds.map(({ id, created, ends, points, reason }) => [
              id,
              formatTime(created),
              Number.isFinite(ends) ? formatTime(ends) : 'when released',
              points.join(' '),
              reason,
            ]),
          },
        ],
});
