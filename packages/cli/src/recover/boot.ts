import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { createAdaptation, type RecoveredMachine, type RecoveryStep, recoverMachine } from '@holdfast/fabric';
import { openFrameCache, type Vault } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { machineLabel } from '../choose/choose-machine.ts';
import { choosePoint } from '../choose/choose-point.ts';
import { type CacheOptions, cacheOf, cacheOption, cacheSizeOption } from '../disks/cache-options.ts';
import { untilStopped } from '../disks/serve-disks.ts';
import { writeAnswer } from '../output/answer.ts';
import { formatSeconds, formatTime } from '../output/format.ts';
import { createProgress } from '../output/progress.ts';
import type { Surroundings } from '../surroundings.ts';
import {
  machineOption,
  pointOption,
  readChosenMachine,
  STORE_HELP,
  type VaultOptions,
  vaultOptions,
  withVault,
} from '../vault/with-vault.ts';
import { type HardwareOptions, hardwareOf, hardwareOptions } from './boot-options.ts';
import { directoryOption, openPlace, type PlaceOptions } from './recovery-place.ts';

interface BootOptions extends VaultOptions, PlaceOptions, HardwareOptions, CacheOptions {
  readonly machine?: string;
  readonly point: string;
  readonly operation?: string;
  readonly hydrate?: true;
  readonly adapt: boolean;
}

const HELP = `
Starts a machine from a recovery point under QEMU, within seconds whatever its size: its disks are
read out of the vault as they are needed, and what it writes stays on this host. Nothing is written
to the vault but a hold that keeps the point.

The command goes on and serves the disks. When the vault is away the machine is paused and goes on
by itself afterwards; nothing inside notices. Ctrl-C ends the command and not the machine: it is
paused as soon as it needs the vault, and the same command with --operation takes it up again. With
--hydrate all is copied to this host, then the command ends and the machine needs it no more.

Try it isolated first. A machine that runs at its source too must not meet itself on a network.

Examples:
  holdfast recover boot --vault file:/srv/vault --key-file office.key --machine db1
  holdfast recover boot --vault file:/srv/vault --key-file office.key --machine db1 --forward 2222:22
  holdfast recover boot --vault file:/srv/vault --key-file office.key --machine db1 --point 2026-11-22T01:02:03Z \\
    --network bridge:br0 --hydrate

${STORE_HELP}`;

const SAYS: Readonly<Record<RecoveryStep, string>> = {
  holding: 'keeping the point',
  opening: 'opening its disks',
  adapting: 'adapting its system to this host',
  creating: 'making the machine',
  starting: 'starting it',
  ready: 'it runs',
};

export const bootCommand = (surroundings: Surroundings): Command =>
  hardwareOptions(
    vaultOptions(new Command('boot').description('start a machine from a point, in seconds'))
      .addOption(machineOption())
      .addOption(pointOption()),
  )
    .addOption(new Option('--hydrate', 'copy all of it to this host meanwhile, and end when that is done'))
    .addOption(new Option('--no-adapt', 'start its system as it is, without fitting it to other hardware'))
    .addOption(new Option('--operation <id>', 'take up this one again: what `recover ls` shows'))
    .addOption(directoryOption())
    .addOption(cacheOption())
    .addOption(cacheSizeOption())
    .addHelpText('after', HELP)
    .action((options: BootOptions) => boot(surroundings, options));

const boot = (surroundings: Surroundings, options: BootOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const { cache } = cacheOf(options);
    const frameCache = cache === undefined ? undefined : await openFrameCache(cache.directory, cache);
    try {
      const begun = performance.now();
      const machine = await begin(surroundings, options, vault, frameCache);
      try {
        await answer(surroundings, options, machine, (performance.now() - begun) / 1000);
        await attend(surroundings, options, machine);
      } finally {
        await machine.close();
      }
    } finally {
      await frameCache?.close();
    }
  });

const begin = async (
  surroundings: Surroundings,
  options: BootOptions,
  vault: Vault,
  frameCache: Awaited<ReturnType<typeof openFrameCache>> | undefined,
): Promise<RecoveredMachine> => {
  const { stderr, stop, now } = surroundings;
  const place = openPlace(options);
  const chosen = await chooseWhat(surroundings, options, vault);
  stderr.write(`Recovering ${chosen.label} as of ${formatTime(chosen.pointTime)}, operation ${chosen.operationId}\n`);
  const scratch = path.join(place.recoveries, chosen.operationId, 'scratch');
  const machine = await recoverMachine({
    vault,
    machineId: chosen.machineId,
    pointId: chosen.pointId,
    operationId: chosen.operationId,
    fabric: place.fabric,
    directory: place.recoveries,
    ...hardwareOf(options),
    ...(options.adapt && { adapt: createAdaptation({ scratch, pointTime: chosen.pointTime, now }) }),
    ...(frameCache && { frameCache }),
    onProgress: (step) => stderr.write(`  ${SAYS[step]}\n`),
    onTrouble: ({ message }) => stderr.write(`${message}\n`),
    signal: stop,
  });
  // Taken up again after it was switched off: `boot` means that it shall be on.
  const { machine: status, held, adaptation } = await machine.status();
  if (status.state === 'off') await machine.start();
  for (const line of adaptation) stderr.write(`  ${line}\n`);
  if (!held && !status.disks.every(({ hydrated }) => hydrated))
    stderr.write('With these rights nothing can be held: a keeper may delete the point while the machine needs it.\n');
  return machine;
};

interface Chosen {
  readonly operationId: string;
  readonly machineId: string;
  readonly pointId: string;
  readonly pointTime: number;
  readonly label: string;
}

const chooseWhat = async (surroundings: Surroundings, options: BootOptions, vault: Vault): Promise<Chosen> => {
  const { operation } = options;
  if (operation !== undefined) {
    const known = (await openPlace(options).list()).find(({ operationId }) => operationId === operation.toLowerCase());
    if (known !== undefined) return { ...known, label: known.name };
    if (!/^[0-9a-f]{32}$/i.test(operation))
      throw new HoldfastError('RESOURCE_NOT_FOUND', {
        thing: `recovery ${operation}`,
        why: 'there is none of this id on this host',
        remedy: 'give all of an id that `holdfast recover ls` shows',
      });
  }
  const history = await readChosenMachine(surroundings, vault, options.machine);
  const point = choosePoint(history, options.point);
  return {
    operationId: operation?.toLowerCase() ?? randomBytes(16).toString('hex'),
    machineId: history.machine.id,
    pointId: point.id,
    pointTime: point.time,
    label: machineLabel(history.machine),
  };
};

const answer = async (surroundings: Surroundings, options: BootOptions, machine: RecoveredMachine, seconds: number): Promise<void> => {
  const { operationId } = machine;
  const { log } = await machine.console();
  const { machine: status, pointId, machineId } = await machine.status();
  writeAnswer(surroundings, options, {
    data: {
      operation: operationId,
      machine: machineId,
      point: pointId,
      name: status.name,
      state: status.state,
      pid: status.pid,
      acceleration: status.acceleration,
      consoleLog: log,
      seconds: Math.round(seconds * 10) / 10,
    },
    people: [
      { line: `${status.name} runs, after ${formatSeconds(seconds)}.` },
      { line: `  holdfast recover console ${operationId.slice(0, 8)}   to see and to log in` },
      { line: `  holdfast recover ls, stop, hydrate, discard   to look after it` },
    ],
  });
};

/** Serves until it is asked to end, or until nothing is left to serve. */
const attend = async (surroundings: Surroundings, options: BootOptions, machine: RecoveredMachine): Promise<void> => {
  const { stderr, stop } = surroundings;
  if (options.hydrate) {
    const progress = createProgress(stderr, { label: 'copying', total: 0 });
    await machine.hydrate({ signal: stop, onProgress: progress.update }).finally(progress.end);
    stderr.write('All of it is on this host; the machine needs the vault no more.\n');
    return;
  }
  stderr.write('Serving its disks; Ctrl-C ends that, and not the machine.\n');
  await untilStopped(surroundings);
  const { machine: status } = await machine.status();
  if (status.state === 'off' || status.disks.every(({ hydrated }) => hydrated)) return;
  stderr.write(`The machine stays, and is paused when it needs the vault. To go on: the same with --operation ${machine.operationId}\n`);
};
