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
import { machineOption, readChosenMachine, readMachines, STORE_HELP, vaultOptions, withVault } from '../vault/with-vault.ts';
import { exportMachine } from './export-machine.ts';
import { inspectPointCommand } from './inspect.ts';
import { listMachine, listMachines } from './list.ts';
import type { RecoverOptions } from './recover-options.ts';

const HELP = `
Everything is lost but the vault and its key: this is the way back. It needs no server and
changes nothing in the vault. First look what there is; then export the disks into images, or
serve them at once and copy later.

Examples:
  holdfast recover --vault file:/srv/vault --key-file office.recovery-kit.txt
  holdfast recover --vault file:/srv/vault --key-file office.key --machine db1
  holdfast recover --vault file:/srv/vault --key-file office.key --machine db1 --export /mnt/restored
  holdfast recover --vault file:/srv/vault --key-file office.key --machine db1 --point 2026-11-22T01:02:03Z \\
    --serve /run/db1.sock --overlay /var/tmp/db1

${STORE_HELP}`;

export const recoverCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('recover').description('recover a machine from a vault alone: list, serve, export'))
    .addOption(machineOption())
    .addOption(new Option('-p, --point <point>', 'id or its beginning, latest, or a time: the newest at or before it (default: latest)'))
    .addOption(new Option('--serve <address>', 'serve all disks by NBD: path of a Unix socket, or 127.0.0.1:PORT').conflicts('export'))
    .addOption(new Option('--overlay <directory>', 'lets served disks be written, and keeps that in a file for each'))
    .addOption(cacheOption())
    .addOption(cacheSizeOption())
    .addOption(new Option('--export <directory>', 'write all disks into images, NAME.raw or as --format says'))
    .addOption(formatOption())
    .addOption(new Option('--force', 'replace images that exist'))
    .addOption(new Option('--boot', 'start the machine under QEMU (not in this version)'))
    .enablePositionalOptions()
    .addCommand(inspectPointCommand(surroundings))
    .addHelpText('after', HELP)
    .action((options: RecoverOptions) => recover(surroundings, options));

const recover = (surroundings: Surroundings, options: RecoverOptions): Promise<void> => {
  if (options.boot)
    throw new HoldfastError('UNSUPPORTED_OPERATION', {
      thing: '--boot',
      why: 'this version of holdfast cannot start machines yet; a later one will, under QEMU',
      remedy: 'serve the disks with --serve and --overlay, and start `qemu-system-x86_64 -drive format=raw,file=URI` with the URIs told',
    });
  if (options.overlay !== undefined && options.serve === undefined)
    throw new HoldfastError('SETTING_INVALID', {
      thing: '--overlay',
      why: 'it belongs to --serve',
      remedy: 'add --serve, or leave it out',
    });
  const listen = options.serve === undefined ? undefined : parseListenAddress(options.serve);
  return withVault(surroundings, options, async (vault) => {
    if (listen === undefined && options.export === undefined) {
      const histories = await readMachines(surroundings, vault, options.machine);
      const [only] = histories;
      if (only !== undefined && histories.length === 1) listMachine(surroundings, options, only);
      else listMachines(surroundings, options, histories);
      return;
    }
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
