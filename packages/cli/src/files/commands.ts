import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { type MountedVolumes, runTool, type TreeEntry } from '@holdfast/fabric';
import { pointDisks } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { chooseDisk } from '../choose/choose-disk.ts';
import { choosePoint } from '../choose/choose-point.ts';
import { closing } from '../closing.ts';
import { type CacheOptions, cacheOf, cacheOption, cacheSizeOption } from '../disks/cache-options.ts';
import { mountPoint } from '../mount/mount-point.ts';
import { orStopped } from '../or-stopped.ts';
import { type Answer, writeAnswer } from '../output/answer.ts';
import { formatBytes, formatTime } from '../output/format.ts';
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
import { inPoint, told } from './in-point.ts';

interface FilesOptions extends VaultOptions, CacheOptions {
  readonly machine?: string;
  readonly point: string;
  readonly disk?: string;
  readonly to?: string;
}

/** A tree of terabytes out of a distant store takes days; whoever has waited long enough interrupts it. */
const COPYING = 14 * 24 * 3600;

const LS_HELP = `
Lists a directory of a point; without PATH the file systems there are. A path begins with one of
them: sda1/etc. Needs what \`holdfast vault mount\` needs, and mounts for a moment.

Examples:
  holdfast files ls --vault file:/srv/vault --key-file office.key --machine db1
  holdfast files ls sda1/etc --vault file:/srv/vault --key-file office.key --machine db1 --point 2026-11-22T01:02:03Z

${STORE_HELP}`;

const GET_HELP = `
Copies a file, or a directory with all below it, out of a point: owners, rights, times, links and
holes stay as they were. Nothing that exists is overwritten.

Example:
  holdfast files get sda1/etc/postgresql --to /tmp/postgresql --vault file:/srv/vault --key-file office.key --machine db1

${STORE_HELP}`;

const common = (command: Command): Command =>
  vaultOptions(command)
    .addOption(machineOption())
    .addOption(pointOption())
    .addOption(new Option('-d, --disk <disk>', 'name or id; all disks of the point unless told'))
    .addOption(cacheOption())
    .addOption(cacheSizeOption());

export const listFilesCommand = (surroundings: Surroundings): Command =>
  common(new Command('ls').description('list files of a point').argument('[path]', 'such as sda1/etc'))
    .addHelpText('after', LS_HELP)
    .action((word: string | undefined, options: FilesOptions) => list(surroundings, word, options));

export const getFilesCommand = (surroundings: Surroundings): Command =>
  common(new Command('get').description('copy files out of a point').argument('<path>', 'such as sda1/etc/hosts'))
    .addOption(new Option('--to <path>', 'where to; must not exist (required)').makeOptionMandatory())
    .addHelpText('after', GET_HELP)
    .action((word: string, options: FilesOptions) => get(surroundings, word, options));

const withMounted = (
  surroundings: Surroundings,
  options: FilesOptions,
  work: (mounted: MountedVolumes) => Promise<Answer>,
): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const history = await readChosenMachine(surroundings, vault, options.machine);
    const point = choosePoint(history, options.point);
    const all = pointDisks(history, point);
    const disks = options.disk === undefined ? all : [chooseDisk(all, options.disk)];
    const mounted = await mountPoint(surroundings, history, point, disks, cacheOf(options));
    await closing(surroundings, mounted.close, async () =>
      writeAnswer(surroundings, options, await orStopped(surroundings.stop, work(mounted))),
    );
  });

const list = (surroundings: Surroundings, word: string | undefined, options: FilesOptions): Promise<void> =>
  withMounted(surroundings, options, async (mounted) => {
    const { volumes, notes } = mounted;
    if (word === undefined)
      return {
        data: { volumes: volumes.map(({ path: _, ...volume }) => ({ ...volume, mounted: _ !== undefined })), notes },
        people: [
          {
            columns: [{ heading: 'VOLUME' }, { heading: 'TYPE' }, { heading: 'NOTE' }],
            rows: volumes.map(({ name, type, why }) => [name, type, why ?? '']),
          },
          ...notes.map((line) => ({ line })),
        ],
      };
    const { tree, path: at } = inPoint(mounted, word);
    const entries = (await told(word, tree.entries(at))).map(describe);
    return {
      data: { path: word, entries },
      people: [
        {
          columns: [
            { heading: 'TYPE' },
            { heading: 'MODE' },
            { heading: 'OWNER' },
            { heading: 'SIZE', right: true },
            { heading: 'CHANGED' },
            { heading: 'NAME' },
          ],
          rows: entries.map(({ name, type, mode, uid, gid, size, changed, target }) => [
            type,
            mode,
            `${uid}:${gid}`,
            formatBytes(size),
            changed,
            target === undefined ? name : `${name} -> ${target}`,
          ]),
        },
      ],
    };
  });

const describe = ({ mode, changed, ...entry }: TreeEntry) => ({
  ...entry,
  mode: mode.toString(8).padStart(4, '0'),
  changed: formatTime(changed),
});

const get = async (surroundings: Surroundings, word: string, options: FilesOptions): Promise<void> => {
  const to = path.resolve(options.to!);
  const isThere = await lstat(to).then(
    () => true,
    () => false,
  );
  if (isThere) throw new HoldfastError('OBJECT_EXISTS', { thing: to, why: 'nothing is overwritten', remedy: 'name a place that is free' });
  await withMounted(surroundings, options, async (mounted) => {
    const { tree, path: at } = inPoint(mounted, word);
    const from = await told(word, tree.where(at));
    await runTool('cp', ['--archive', '--one-file-system', '--sparse=auto', '--no-target-directory', '--', from, to], { seconds: COPYING });
    const { size } = await lstat(to);
    return { data: { path: word, to, size }, people: [{ line: `${word} is at ${to}` }] };
  });
};
