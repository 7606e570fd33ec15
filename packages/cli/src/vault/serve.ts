import { HoldfastError } from '@holdfast/errors';
import { pointDisks } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { chooseDisk } from '../choose/choose-disk.ts';
import { choosePoint } from '../choose/choose-point.ts';
import { cacheOf, cacheOption, cacheSizeOption } from '../disks/cache-options.ts';
import { parseListenAddress } from '../disks/listen-address.ts';
import { runDiskServer } from '../disks/run-disk-server.ts';
import type { Surroundings } from '../surroundings.ts';
import { machineOption, pointOption, readChosenMachine, STORE_HELP, type VaultOptions, vaultOptions, withVault } from './with-vault.ts';

interface ServeCommandOptions extends VaultOptions {
  readonly machine?: string;
  readonly point: string;
  readonly disk?: string;
  readonly listen: string;
  readonly overlay?: string;
  readonly cache?: string;
  readonly cacheSize?: number;
}

const HELP = `
Offers the disks of a point as network block devices (NBD), each under its name, read out of the
vault as they are needed. Whoever can connect can read them: listen on a Unix socket, which is
yours alone, or on 127.0.0.1. Ctrl-C ends it.

With --overlay a disk can be written: what is written goes into that file, the vault stays as it
is, and the file goes on with the next \`serve\` of the same point. With --cache what is read out
of a vault far away is kept, encrypted, on a disk nearby.

Examples:
  holdfast vault serve --vault file:/srv/vault --key-file office.key --listen /run/db1.sock
  holdfast vault serve --vault file:/srv/vault --key-file office.key --machine db1 --disk sda --listen 127.0.0.1:10809 --overlay sda.overlay
  nbdcopy --progress nbd://127.0.0.1:10809/sda sda.raw
  qemu-img info nbd://127.0.0.1:10809/sda

${STORE_HELP}`;

export const serveCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('serve').description('serve the disks of a point by NBD'))
    .addOption(machineOption())
    .addOption(pointOption())
    .addOption(new Option('-d, --disk <disk>', 'name or id; all disks of the point unless told'))
    .addOption(
      new Option('--listen <address>', 'path of a Unix socket, or 127.0.0.1:PORT (0: any free one; required)').makeOptionMandatory(),
    )
    .addOption(new Option('--overlay <file>', 'lets the disk be written, and keeps that in this file'))
    .addOption(cacheOption())
    .addOption(cacheSizeOption())
    .addHelpText('after', HELP)
    .action((options: ServeCommandOptions) => serve(surroundings, options));

const serve = (surroundings: Surroundings, options: ServeCommandOptions): Promise<void> => {
  const listen = parseListenAddress(options.listen);
  return withVault(surroundings, options, async (vault) => {
    const history = await readChosenMachine(surroundings, vault, options.machine);
    const point = choosePoint(history, options.point);
    const all = pointDisks(history, point);
    const disks = options.disk === undefined ? all : [chooseDisk(all, options.disk)];
    if (options.overlay !== undefined && disks.length > 1)
      throw new HoldfastError('SETTING_INVALID', {
        thing: '--overlay',
        why: `the point has ${disks.length} disks, and one file holds the writes of one`,
        remedy: 'choose one with --disk, or serve all with `holdfast recover --serve ADDRESS --overlay DIRECTORY`',
      });
    await runDiskServer(surroundings, options, { history, point, disks, listen, overlayOf: () => options.overlay, ...cacheOf(options) });
  });
};
