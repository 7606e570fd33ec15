import path from 'node:path';
import { pointDisks } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { chooseDisk } from '../choose/choose-disk.ts';
import { machineLabel } from '../choose/choose-machine.ts';
import { choosePoint } from '../choose/choose-point.ts';
import { closing } from '../closing.ts';
import { type CacheOptions, cacheOf, cacheOption, cacheSizeOption } from '../disks/cache-options.ts';
import { untilStopped } from '../disks/serve-disks.ts';
import { mountPoint } from '../mount/mount-point.ts';
import { writeAnswer } from '../output/answer.ts';
import { formatTime } from '../output/format.ts';
import type { Surroundings } from '../surroundings.ts';
import { machineOption, pointOption, readChosenMachine, STORE_HELP, type VaultOptions, vaultOptions, withVault } from './with-vault.ts';

interface MountCommandOptions extends VaultOptions, CacheOptions {
  readonly machine?: string;
  readonly point: string;
  readonly disk?: string;
  readonly to: string;
}

const HELP = `
Mounts the file systems of a point below a directory, read-only, each under the name of its
partition (sda1) or logical volume (vg-root), until Ctrl-C. What replaying a journal writes goes
into an overlay that is thrown away; the vault stays as it is. Needs root, FUSE and nbdfuse (package
libnbd-bin), no device mapper: linear and striped volumes of LVM are put together here. What cannot
be mounted (swap, members of RAID, encrypted partitions) is told, and what to do. After a kill the
next mount clears up.

Examples:
  holdfast vault mount --vault file:/srv/vault --key-file office.key --machine db1 --to /mnt/db1
  holdfast vault mount --vault file:/srv/vault --key-file office.key --disk sda --point 2026-11-22T01:02:03Z --to /mnt/yesterday

${STORE_HELP}`;

export const mountCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('mount').description('mount the file systems of a point, read-only'))
    .addOption(machineOption())
    .addOption(pointOption())
    .addOption(new Option('-d, --disk <disk>', 'name or id; all disks of the point unless told'))
    .addOption(new Option('--to <directory>', 'where to; empty, or made (required)').makeOptionMandatory())
    .addOption(cacheOption())
    .addOption(cacheSizeOption())
    .addHelpText('after', HELP)
    .action((options: MountCommandOptions) => mount(surroundings, options));

const mount = (surroundings: Surroundings, options: MountCommandOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const history = await readChosenMachine(surroundings, vault, options.machine);
    const point = choosePoint(history, options.point);
    const all = pointDisks(history, point);
    const disks = options.disk === undefined ? all : [chooseDisk(all, options.disk)];
    const mounted = await mountPoint(surroundings, history, point, disks, { directory: path.resolve(options.to), ...cacheOf(options) });
    await closing(surroundings, mounted.close, async () => {
      const { volumes, notes } = mounted;
      writeAnswer(surroundings, options, {
        data: { machine: history.machine.id, point: point.id, time: formatTime(point.time), volumes, notes },
        people: [
          { line: `${machineLabel(history.machine)} at ${formatTime(point.time)} (point ${point.id})` },
          {
            columns: [{ heading: 'VOLUME' }, { heading: 'TYPE' }, { heading: 'MOUNTED AT' }],
            rows: volumes.map(({ name, type, path: at, why }) => [name, type, at ?? `not: ${why}`]),
          },
          ...notes.map((line) => ({ line })),
        ],
      });
      surroundings.stderr.write('Mounted; Ctrl-C ends it.\n');
      await untilStopped(surroundings);
    });
  });
