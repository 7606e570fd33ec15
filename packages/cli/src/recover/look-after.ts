import { createReadStream } from 'node:fs';
import { HoldfastError } from '@holdfast/errors';
import { discardRecovery, type MachineStatus, type RecoveryRecord, recoverMachine } from '@holdfast/fabric';
import { Command, Option } from 'commander';
import { orStopped } from '../or-stopped.ts';
import { outputOption, writeAnswer } from '../output/answer.ts';
import { formatBytes, formatTime } from '../output/format.ts';
import { createProgress } from '../output/progress.ts';
import { parseSeconds } from '../parse-seconds.ts';
import { keyOptions } from '../secrets/vault-key.ts';
import type { Surroundings } from '../surroundings.ts';
import { STORE_HELP, type VaultOptions, vaultOptions, withVault } from '../vault/with-vault.ts';
import { joinConsole } from './join-console.ts';
import { chooseRecovery, directoryOption, openPlace, type PlaceOptions } from './recovery-place.ts';

const WHICH = 'its id, the beginning of it, or the name of the machine; not needed when there is one';

const LIST_HELP = `
Shows the machines that were recovered on this host, those too that a crash left half made.

Example:
  holdfast recover ls`;

const CONSOLE_HELP = `
Joins this terminal with the serial console of a recovered machine: log in as at its screen. Ctrl-]
leaves it. Where no terminal is, what was printed so far is written to standard output.

Example:
  holdfast recover console db1`;

const HYDRATE_HELP = `
Copies all of a recovered machine's disks to this host, beside what it does, so that it needs the
vault no more. What was copied before is not copied again. Where another command serves the machine
(\`recover boot\`), that one goes on reading the vault; otherwise this one does.

Example:
  holdfast recover hydrate db1 --vault file:/srv/vault --key-file office.key

${STORE_HELP}`;

const STOP_HELP = `
Switches a recovered machine off: by its power button, and when it does not shut down in time as a
power cut does. Its disks stay; \`recover boot --operation\` starts it again.

Examples:
  holdfast recover stop db1
  holdfast recover stop db1 --power-cut`;

const DISCARD_HELP = `
Ends a recovery and removes all of it: the machine, what it wrote, what was copied. The point in the
vault stays; with --vault and a key it is not held for this machine any more either.

Examples:
  holdfast recover discard db1 --vault file:/srv/vault --key-file office.key
  holdfast recover discard 5f3c

${STORE_HELP}`;

const CHECK_HELP = `
Looks whether this host can run recovered machines, and says what is missing. Ends with 1 when
something is.

Example:
  holdfast recover check`;

export const checkHostCommand = (surroundings: Surroundings): Command =>
  new Command('check')
    .description('whether this host can run recovered machines')
    .addOption(directoryOption())
    .addOption(outputOption())
    .addHelpText('after', CHECK_HELP)
    .action(async (options: PlaceOptions) => {
      const findings = await openPlace(options).fabric.check();
      writeAnswer(surroundings, options, {
        data: findings,
        people: [
          {
            columns: [
              { heading: 'CHECK' },
              { heading: 'RESULT' },
              { heading: 'FOUND', shrink: true },
              { heading: 'WHAT TO DO', shrink: true },
            ],
            rows: findings.map(({ name, level, message, remedy = '' }) => [name, level, message, remedy]),
          },
        ],
      });
      if (findings.some(({ level }) => level === 'error')) surroundings.onFindings();
    });

const stateOf = (status: MachineStatus | undefined): string => {
  if (status === undefined) return 'half made';
  const why = { io: 'waits for the vault', space: 'no room on this host', asked: 'paused', starting: 'not started', fault: 'failed' };
  return status.pause === undefined ? status.state : `paused: ${why[status.pause]}`;
};

const shareOf = ({ disks }: MachineStatus): number => {
  const total = disks.reduce((sum, { size }) => sum + size, 0);
  return total === 0 ? 0 : disks.reduce((sum, { size, hydrated, hydrating = 0 }) => sum + (hydrated ? size : hydrating), 0) / total;
};

export const listRecoveredCommand = (surroundings: Surroundings): Command =>
  new Command('ls')
    .description('the machines that were recovered on this host')
    .addOption(directoryOption())
    .addOption(outputOption())
    .addHelpText('after', LIST_HELP)
    .action(async (options: PlaceOptions) => {
      const place = openPlace(options);
      const rows: { readonly record: RecoveryRecord; readonly status: MachineStatus | undefined }[] = [];
      for (const record of await place.list()) rows.push({ record, status: await place.fabric.status(record.operationId) });
      writeAnswer(surroundings, options, {
        data: rows.map(({ record, status }) => ({
          operation: record.operationId,
          name: record.name,
          machine: record.machineId,
          point: record.pointId,
          pointTime: formatTime(record.pointTime),
          created: formatTime(record.created),
          served: record.attended,
          held: record.holdId !== undefined,
          state: status?.state ?? 'half made',
          ...(status?.pause !== undefined && { pause: status.pause }),
          ...(status?.pid !== undefined && { pid: status.pid }),
          disks: status?.disks ?? [],
        })),
        people:
          rows.length === 0
            ? [{ line: 'No machine was recovered here. `holdfast recover boot` starts one.' }]
            : [
                {
                  columns: [
                    { heading: 'OPERATION' },
                    { heading: 'MACHINE', shrink: true },
                    { heading: 'POINT OF' },
                    { heading: 'STATE' },
                    { heading: 'SERVED' },
                    { heading: 'COPIED', right: true },
                    { heading: 'ON THIS HOST', right: true },
                  ],
                  rows: rows.map(({ record, status }) => [
                    record.operationId.slice(0, 8),
                    record.name,
                    formatTime(record.pointTime),
                    stateOf(status),
                    record.attended ? 'yes' : 'no',
                    status === undefined ? '' : `${Math.floor(shareOf(status) * 100)} %`,
                    formatBytes(status?.disks.reduce((sum, { stored }) => sum + stored, 0) ?? 0),
                  ]),
                },
              ],
      });
    });

export const consoleCommand = (surroundings: Surroundings): Command =>
  new Command('console')
    .description('the serial console of a recovered machine')
    .argument('[recovery]', WHICH)
    .addOption(directoryOption())
    .addHelpText('after', CONSOLE_HELP)
    .action(async (word: string | undefined, options: PlaceOptions) => {
      const place = openPlace(options);
      const { operationId } = await chooseRecovery(place, word);
      const { log, open } = await place.fabric.console(operationId);
      const { stdout, stop } = surroundings;
      const keys = surroundings.openKeys?.();
      if (keys === undefined) {
        for await (const text of createReadStream(log, 'utf8')) stdout.write(text as string);
        return;
      }
      try {
        await joinConsole(surroundings, keys.stream, await orStopped(stop, open()));
      } finally {
        keys.close();
      }
    });

type HydrateOptions = VaultOptions & PlaceOptions;

export const hydrateCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('hydrate').description('copy all of a recovered machine to this host').argument('[recovery]', WHICH))
    .addOption(directoryOption())
    .addHelpText('after', HYDRATE_HELP)
    .action((word: string | undefined, options: HydrateOptions) => hydrate(surroundings, word, options));

const hydrate = async (surroundings: Surroundings, word: string | undefined, options: HydrateOptions): Promise<void> => {
  const { stderr, stop } = surroundings;
  const place = openPlace(options);
  const { fabric } = place;
  const record = await chooseRecovery(place, word);
  const progress = createProgress(stderr, { label: record.name, total: 0 });
  const following = { signal: stop, onProgress: progress.update };
  try {
    if (record.attended) await fabric.hydrate(record.operationId, following);
    else
      await withVault(surroundings, options, async (vault) => {
        // Hardware and network were decided when it was made.
        const about = { ...record, network: { kind: 'none' } as const, start: false, signal: stop };
        const machine = await recoverMachine({
          ...about,
          vault,
          fabric,
          directory: place.recoveries,
          onTrouble: ({ message }) => stderr.write(`${message}\n`),
        });
        await machine.hydrate(following).finally(() => machine.close());
      });
  } finally {
    progress.end();
  }
  writeAnswer(surroundings, options, {
    data: { operation: record.operationId, name: record.name, hydrated: true },
    people: [{ line: `${record.name}: all of it is on this host; it needs the vault no more.` }],
  });
};

interface StopCommandOptions extends PlaceOptions {
  readonly powerCut?: true;
  readonly patience?: number;
}

export const stopCommand = (surroundings: Surroundings): Command =>
  new Command('stop')
    .description('switch a recovered machine off')
    .argument('[recovery]', WHICH)
    .addOption(new Option('--power-cut', 'at once, without asking its system'))
    .addOption(
      new Option('--patience <time>', 'how long it may take to shut down, such as 5m; a minute unless told').argParser(parseSeconds),
    )
    .addOption(directoryOption())
    .addOption(outputOption())
    .addHelpText('after', STOP_HELP)
    .action(async (word: string | undefined, options: StopCommandOptions) => {
      const place = openPlace(options);
      const { operationId, name } = await chooseRecovery(place, word);
      const patience = options.patience === undefined ? {} : { patienceMilliseconds: options.patience * 1000 };
      const stopping = place.fabric.stop(operationId, { how: options.powerCut ? 'power cut' : 'orderly', ...patience });
      const how = await orStopped(surroundings.stop, stopping);
      writeAnswer(surroundings, options, {
        data: { operation: operationId, name, how },
        people: [{ line: how === 'orderly' ? `${name} is off.` : `${name} is off, as by a power cut.` }],
      });
    });

type DiscardOptions = Partial<VaultOptions> & PlaceOptions;

export const discardCommand = (surroundings: Surroundings): Command => {
  const command = new Command('discard').description('end a recovery and remove all of it').argument('[recovery]', WHICH);
  command.addOption(new Option('--vault <url>', 'where the vault is, to let go of the point there'));
  for (const option of keyOptions()) command.addOption(option);
  return command
    .addOption(directoryOption())
    .addOption(outputOption())
    .addHelpText('after', DISCARD_HELP)
    .action((word: string | undefined, options: DiscardOptions) => discard(surroundings, word, options));
};

const discard = async (surroundings: Surroundings, word: string | undefined, options: DiscardOptions): Promise<void> => {
  const place = openPlace(options);
  const record = await chooseRecovery(place, word);
  const { operationId, name, holdId, machineId } = record;
  const about = { fabric: place.fabric, directory: place.recoveries, operationId };
  const { vault: url } = options;
  if (url === undefined) {
    await discardRecovery(about);
    if (holdId !== undefined)
      surroundings.stderr.write(
        `The vault still keeps the point. To let it go: holdfast vault release ${holdId} --vault URL --machine ${machineId}\n`,
      );
  } else {
    await withVault(surroundings, { ...options, vault: url }, async (vault) => {
      if (vault.id !== record.vaultId)
        throw new HoldfastError('SETTING_INVALID', {
          thing: url,
          why: `it is vault ${vault.id}, and the machine was recovered from vault ${record.vaultId}`,
          remedy: 'name that one, or leave --vault out',
        });
      await discardRecovery({ ...about, vault });
    });
  }
  writeAnswer(surroundings, options, {
    data: { operation: operationId, name, discarded: true },
    people: [{ line: `${name}: the recovery is ended, nothing of it is left on this host.` }],
  });
};
