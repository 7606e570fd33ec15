import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { HoldfastError } from '@holdfast/errors';

const run = promisify(execFile);

/** A logical volume of LVM. */
export interface LogicalVolume {
  readonly group: string;
  readonly name: string;
}

/** Milliseconds a program of LVM may take: it waits for writes under way and for udev. */
const LIMIT = 60_000;
const OPTIONS = {
  timeout: LIMIT,
  env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', LVM_SUPPRESS_FD_WARNINGS: '1' },
};
/** Nothing is printed that is no error, and no copy of the group's metadata is written into a file: it may lie on the volume itself. */
const QUIETLY = ['--quiet', '--quiet', '--autobackup', 'n'];
/** Of a whole volume; what LVM keeps for itself has more behind it. */
const VOLUME_UUID = /^LVM-[A-Za-z0-9]{64}$/;
/** Group and name as the device mapper has them: a hyphen of their own is doubled. */
const MAPPED_NAME = /^((?:[^-]|--)+)-((?:[^-]|--)+)$/;

/** What the names and tags of snapshots begin with. */
const PREFIX = 'holdfast_';

const unescaped = (text: string): string => text.replaceAll('--', '-');

/** The logical volume that a device ("253:0") is; undefined when it is none. */
export const logicalVolumeOf = (device: string, system = '/sys'): LogicalVolume | undefined => {
  const read = (file: string): string => readFileSync(`${system}/dev/block/${device}/dm/${file}`, 'utf8').trim();
  try {
    if (!VOLUME_UUID.test(read('uuid'))) return undefined;
    const [, group, name] = MAPPED_NAME.exec(read('name')) ?? [];
    return group === undefined || name === undefined ? undefined : { group: unescaped(group), name: unescaped(name) };
  } catch {
    return undefined;
  }
};

const pathOf = ({ group, name }: LogicalVolume): string => `${group}/${name}`;

/** Calls a program of LVM and gives what it printed. Rejects with HOLD_FAILED. */
export type Lvm = (program: string, args: readonly string[]) => Promise<string>;

const callLvm: Lvm = async (program, args) => {
  try {
    return (await run(program, args, OPTIONS)).stdout.trim();
  } catch (reason) {
    const { stderr = '', message } = reason as Error & { readonly stderr?: string };
    const why = stderr.trim() || message;
    // An agent may not load modules of the kernel (its unit takes that right away).
    const remedy = /modprobe|not detected in your kernel/.test(why)
      ? 'load it, at every start of the machine too: modprobe dm_snapshot; echo dm_snapshot > /etc/modules-load.d/dm_snapshot.conf'
      : 'leave room in the volume group for a snapshot of the volume, or choose another way of holding in the policy';
    throw new HoldfastError('HOLD_FAILED', { thing: `${program} ${args.at(-1)}`, why, remedy, cause: reason });
  }
};

/** The volumes of a group that are chosen. */
const volumesOf = async (group: string, select: string, lvm: Lvm): Promise<LogicalVolume[]> => {
  const found = await lvm('lvs', ['--noheadings', '-o', 'lv_name', '--select', select, group]);
  return found.split(/\s+/).flatMap((name) => (name === '' ? [] : [{ group, name }]));
};

/** Removes a snapshot; nothing when there is none. Rejects with HOLD_FAILED, also while somebody reads from it, or where nobody can tell. */
export const removeSnapshot = async ({ group, name }: LogicalVolume, lvm: Lvm = callLvm): Promise<void> => {
  const there = await volumesOf(group, `lv_name=${name}`, lvm);
  for (const one of there) await lvm('lvremove', ['--force', ...QUIETLY, pathOf(one)]);
};

/** How the snapshots of a machine are tagged. */
export const snapshotTag = (machineId: string): string => `${PREFIX}${machineId}`;

/** A name for a new one. */
export const snapshotName = (): string => `${PREFIX}${crypto.randomUUID().replaceAll('-', '')}`;

/**
 * Removes the snapshots with a tag that nobody knows of any more: LVM keeps them over a power loss, and what was noted of them in memory is gone. No
 * program is started where no volume has such a name. Gives those that were there, and why they are still.
 */
export const removeForgotten = async (
  tag: string,
  { system = '/sys', lvm = callLvm }: { readonly system?: string; readonly lvm?: Lvm } = {},
): Promise<{ readonly found: readonly string[]; readonly problems: readonly string[] }> => {
  const named = namesIn(`${system}/dev/block`).flatMap((device) => logicalVolumeOf(device, system) ?? []);
  const groups = new Set(named.filter(({ name }) => name.startsWith(PREFIX)).map(({ group }) => group));
  const found: string[] = [];
  const problems: string[] = [];
  for (const group of groups) {
    try {
      for (const one of await volumesOf(group, `tags=${tag}`, lvm)) {
        // A tag may be put on anything.
        if (!one.name.startsWith(PREFIX)) continue;
        found.push(pathOf(one));
        await removeSnapshot(one, lvm);
      }
    } catch (reason) {
      problems.push((reason as Error).message);
    }
  }
  return { found, problems };
};

const namesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/**
 * Makes a snapshot that nobody can write to, called `name`, as large as its volume or as there is room in the group; should that not do, reads of it
 * fail and the volume goes on. Earlier ones with this tag are removed before. Gives its path. Rejects with HOLD_FAILED.
 */
export const makeSnapshot = async (volume: LogicalVolume, name: string, tag: string, lvm: Lvm = callLvm): Promise<string> => {
  for (const left of await volumesOf(volume.group, `origin=${volume.name} && tags=${tag}`, lvm))
    await removeSnapshot(left, lvm).catch(() => undefined);
  const make = (size: string): Promise<string> =>
    lvm('lvcreate', ['--snapshot', ...QUIETLY, '--permission', 'r', '--addtag', tag, '--name', name, '--extents', size, pathOf(volume)]);
  await make('100%ORIGIN').catch(() => make('100%FREE'));
  return `/dev/${volume.group}/${name}`;
};
