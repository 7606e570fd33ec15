import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { pointDisks } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { choosePoint } from '../choose/choose-point.ts';
import { cacheOf, cacheOption, cacheSizeOption } from '../disks/cache-options.ts';
import { formatOption } from '../disks/image-options.ts';
import { parseListenAddress } from '../disks/listen-address.ts';
import { runDiskServer } from '../disks/run-disk-server.ts';
import type { Surroundings } from '../surroundings.ts';
import { machineOption, optionalVaultOptions, readChosenMachine, STORE_HELP, withVault } from '../vault/with-vault.ts';
import { bootCommand } from './boot.ts';
import { exportMachine } from './export-machine.ts';
import { inspectPointCommand } from './inspect.ts';
import { checkHostCommand, consoleCommand, discardCommand, hydrateCommand, listRecoveredCommand, stopCommand } from './look-after.ts';
import { recoverPointsCommand, showPoints } from './points.ts';
import { proofsCommand } from './proofs.ts';
import { proveCommand } from './prove.ts';
import type { RecoverOptions } from './recover-options.ts';

const HELP = `
Everything is lost but the vault and its key: this is the way back. It needs no server and
changes nothing in the vault but for a hold on what is used. First look what there is; then start
the machine here (\`recover boot\`), export its disks into images, or serve them to what starts it.
docs/recovery.md is the page for the bad day.

Examples:
  holdfast recover --vault file:/srv/vault --key-file office.recovery-kit.txt
  holdfast recover --vault file:/srv/vault --key-file office.key --machine db1
  holdfast recover boot --vault file:/srv/vault --key-file office.key --machine db1
  holdfast recover --vault file:/srv/vault --key-file office.key --machine db1 --export /mnt/restored
  holdfast recover --vault file:/srv/vault --key-file office.key --machine db1 --point 2026-11-22T01:02:03Z \\
    --serve /run/db1.sock --overlay /var/tmp/db1

${STORE_HELP}`;

export const recoverCommand = (surroundings: Surroundings): Command =>
  optionalVaultOptions(new Command('recover').description('recover a machine from a vault alone: start, list, serve, export'))
    .addOption(machineOption())
    .addOption(new Option('-p, --point <point>', 'id or its beginning, latest, or a time: the newest at or before it (default: latest)'))
    .addOption(new Option('--serve <address>', 'serve all disks by NBD: path of a Unix socket, or 127.0.0.1:PORT').conflicts('export'))
    .addOption(new Option('--overlay <directory>', 'lets served disks be written, and keeps that in a file for each'))
    .addOption(cacheOption())
    .addOption(cacheSizeOption())
    .addOption(new Option('--export <directory>', 'write all disks into images, NAME.raw or as --format says'))
    .addOption(formatOption())
    .addOption(new Option('--force', 'replace images that exist'))
    .enablePositionalOptions()
    .addCommand(recoverPointsCommand(surroundings))
    .addCommand(inspectPointCommand(surroundings))
    .addCommand(checkHostCommand(surroundings))
    .addCommand(bootCommand(surroundings))
    .addCommand(proveCommand(surroundings))
    .addCommand(proofsCommand(surroundings))
    .addCommand(listRecoveredCommand(surroundings))
    .addCommand(consoleCommand(surroundings))
    .addCommand(hydrateCommand(surroundings))
    .addCommand(stopCommand(surroundings))
    .addCommand(discardCommand(surroundings))
    .addHelpText('after', HELP)
    .action((options: RecoverOptions) => recover(surroundings, options));

const recover = (surroundings: Surroundings, options: RecoverOptions): Promise<void> => {
  // Not required by Commander, which would ask for it before the commands below this one too.
  if (options.vault === undefined)
    throw new HoldfastError('SETTING_INVALID', {
      thing: '--vault',
      why: 'it is missing',
      remedy: 'say where the vault is; `holdfast recover --help` shows examples',
    });
  if (options.overlay !== undefined && options.serve === undefined)
    throw new HoldfastError('SETTING_INVALID', {
      thing: '--overlay',
      why: 'it belongs to --serve',
      remedy: 'add --serve, or leave it out',
    });
  const listen = options.serve === undefined ? undefined : parseListenAddress(options.serve);
  if (listen === undefined && options.export === undefined) return showPoints(surroundings, options);
  return withVault(surroundings, options, async (vault) => {
    const history = await readChosenMachine(surroundings, vault, options.machine);
    const point = choosePoint(history, options.point ?? 'latest');
    const disks = pointDisks(history, point);
    if (listen === undefined) return exportMachine(surroundings, options, { history, point, disks, directory: options.export! });
    const { overlay } = options;
    if (overlay !== undefined) await makeDirectory(overlay);
    await runDiskServer(surroundings, options, {
      history,
      point,
      disks,
      listen,
      overlayOf: ({ name }) => (overlay === undefined ? undefined : path.join(overlay, `${name}.overlay`)),
      ...cacheOf(options),
    });
  });
};

const makeDirectory = async (directory: string): Promise<void> => {
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch((reason: unknown) => {
    throw fromSystem(reason, directory);
  });
};
