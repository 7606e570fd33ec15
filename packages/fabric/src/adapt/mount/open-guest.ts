import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { readable, readText, type WritableTree, wordsOf } from '../tree/guest-tree.ts';
import { createTreeReader, type MountedTree, type TreeReader } from '../tree/mounted-tree.ts';
import { asFile } from './disk-file.ts';
import { fatTree } from './esp.ts';
import type { GuestDisk } from './guest-disk.ts';
import { attachLoop } from './loop-device.ts';
import { runTool, TOOL_LIMITS } from './run-tool.ts';
import { clearScratch, makeScratch } from './scratch.ts';
import { openStackedVolumes, type StackedVolumes } from './stacked-volumes.ts';
import { readVolumes, type Volume } from './volumes.ts';

export interface OpenGuest {
  readonly volumes: readonly Volume[];
  /** Where a Linux lives among them, and its file systems put together; undefined when there is none that can be read. */
  readonly linux: { readonly root: Volume; readonly tree: WritableTree } | undefined;
  readonly esp: WritableTree | undefined;
  /** File systems that could not be mounted, and why. */
  readonly notes: readonly string[];
  /** Writes all that was changed to the disks, and leaves nothing on this host. */
  close(): Promise<void>;
}

export interface OpenGuestOptions {
  /** Keeps a directory of its own in there while it is open. */
  readonly scratch: string;
  readonly signal: AbortSignal;
  /** Names of volumes that held the root at the source, from a manifest. */
  readonly rootHints: readonly string[];
}

const ROOT_TYPES: ReadonlySet<string> = new Set(['ext2', 'ext3', 'ext4', 'xfs', 'btrfs']);
/** Nothing of somebody else's machine shall run, or be a device, here. */
const SAFE = 'nosuid,nodev,noexec,noatime';
/** Subvolumes of btrfs that distributions make their root; the first is the one that is mounted when nobody asks. */
const SUBVOLUMES = ['', '@', '@rootfs', 'root', '@/.snapshots/1/snapshot'];
/** Other file systems that belong to what is looked at. */
const PARTS = ['/usr', '/boot', '/var', '/var/lib', '/etc'];

/**
 * Mounts the file systems of a machine that does not run, as it does. Needs root, FUSE and loop devices. Errors: NO_PERMISSION, TOOL_MISSING, IO_FAILED, why
 * the signal was aborted.
 */
export const openGuest = async (disks: readonly GuestDisk[], { scratch, signal, rootHints }: OpenGuestOptions): Promise<OpenGuest> => {
  if (process.getuid?.() !== 0)
    throw new HoldfastError('NO_PERMISSION', { thing: 'mounting', why: 'only root may mount file systems', remedy: 'run it by sudo' });
  const directory = await makeScratch(scratch);
  const notes: string[] = [];
  const reader = createTreeReader();
  let stacked: StackedVolumes | undefined;
  const close = async (): Promise<void> => {
    await reader.close();
    await clearScratch(directory);
    await stacked?.close();
  };
  try {
    const volumes: Volume[] = [];
    for (const [at, disk] of disks.entries()) {
      signal.throwIfAborted();
      volumes.push(...(await readVolumes(disk, await asFile(directory, `disk-${at}`, disk.uri))));
    }
    stacked = await openStackedVolumes(disks, volumes, directory);
    volumes.push(...stacked.volumes);
    notes.push(...stacked.notes);
    const mounts = createMounts(directory);
    const linux = await findLinux(mounts, reader, volumes, rootHints, notes, signal);
    const esp = volumes.find((volume) => volume.esp && volume.type === 'vfat');
    return {
      volumes,
      linux,
      esp: esp && fatTree(esp.file, esp.offset),
      notes,
      close,
    };
  } catch (reason) {
    await close();
    throw reason;
  }
};

interface Mounts {
  mount(volume: Volume, at: string, options?: string): Promise<void>;
  unmount(at: string): Promise<void>;
  /** A new directory to mount on. */
  place(name: string): Promise<string>;
}

const createMounts = (directory: string): Mounts => {
  const loops = new Map<Volume, Promise<string>>();
  let places = 0;
  return {
    async mount(volume, at, options) {
      const loop = loops.get(volume) ?? attachLoop(volume);
      loops.set(volume, loop);
      // A file system that was cloned has the id of the one it was cloned from, which may be mounted here.
      const all = [SAFE, ...(volume.type === 'xfs' ? ['nouuid'] : []), ...(options === undefined ? [] : [options])].join(',');
      await runTool('mount', ['-t', volume.type, '-o', all, await loop, at], { seconds: TOOL_LIMITS.mount });
    },
    unmount: async (at) => void (await runTool('umount', [at], { seconds: TOOL_LIMITS.mount })),
    async place(name) {
      places += 1;
      const at = path.join(directory, `${name}-${places}`);
      await mkdir(at);
      return at;
    },
  };
};

const findLinux = async (
  mounts: Mounts,
  reader: TreeReader,
  volumes: readonly Volume[],
  hints: readonly string[],
  notes: string[],
  signal: AbortSignal,
): Promise<OpenGuest['linux']> => {
  const candidates = volumes
    .filter(({ type }) => ROOT_TYPES.has(type))
    .toSorted((a, b) => Number(hints.includes(b.name)) - Number(hints.includes(a.name)));
  for (const volume of candidates)
    for (const subvolume of volume.type === 'btrfs' ? SUBVOLUMES : ['']) {
      signal.throwIfAborted();
      const at = await mounts.place('root');
      try {
        await mounts.mount(volume, at, subvolume === '' ? undefined : `subvol=${subvolume}`);
      } catch (reason) {
        if (!isHoldfastError(reason, 'IO_FAILED')) throw reason;
        if (subvolume === '') notes.push(`${volume.name} (${volume.type}) could not be mounted: ${reason.why}`);
        continue;
      }
      const tree = reader.tree(at);
      if (await isRoot(tree)) {
        await mountParts(mounts, tree, at, volume, volumes, notes);
        return { root: volume, tree };
      }
      await mounts.unmount(at);
    }
  return undefined;
};

const isRoot = async (tree: WritableTree): Promise<boolean> => {
  const kinds = await Promise.all(['/etc/fstab', '/etc/os-release', '/usr/lib/os-release', '/etc/inittab'].map((one) => tree.kind(one)));
  return kinds.includes('file');
};

/** Mounts what the root's own table says belongs below it. */
const mountParts = async (
  mounts: Mounts,
  tree: MountedTree,
  root: string,
  rootVolume: Volume,
  volumes: readonly Volume[],
  notes: string[],
): Promise<void> => {
  const lines = readable((await readText(tree, '/etc/fstab')) ?? '')
    .split('\n')
    .map(wordsOf);
  for (const target of PARTS) {
    const line = lines.find(([spec = '#', at]) => !spec.startsWith('#') && at === target);
    const volume = line && volumes.find((one) => isNamed(one, line[0]!));
    if (line === undefined || volume === undefined || !ROOT_TYPES.has(volume.type)) continue;
    const subvolume = /(?:^|,)(subvol=[^,]+)/.exec(line[3] ?? '')?.[1];
    if (volume === rootVolume && subvolume === undefined) continue;
    if (!(await tree.isPlainDirectory(target))) {
      notes.push(`${target} is no directory, or a link: what is on ${volume.name} was not looked at`);
      continue;
    }
    const plain = path.join(root, target);
    try {
      await mounts.mount(volume, plain, subvolume);
    } catch (reason) {
      if (!isHoldfastError(reason, 'IO_FAILED')) throw reason;
      notes.push(`${target} on ${volume.name} could not be mounted: ${reason.why}`);
    }
  }
};

const isNamed = ({ name, uuid, label, partUuid }: Volume, spec: string): boolean => {
  const [, tag = '', quoted = ''] = /^(UUID|LABEL|PARTUUID)=(.*)$/.exec(spec) ?? [];
  const value = quoted.replaceAll('"', '');
  if (tag === 'UUID') return uuid !== '' && uuid.toLowerCase() === value.toLowerCase();
  if (tag === 'LABEL') return label !== '' && label === value;
  if (tag === 'PARTUUID') return partUuid !== '' && partUuid === value.toLowerCase();
  return (
    spec === `/dev/${name}` ||
    spec === `/dev/mapper/${name}` ||
    spec === groupPath(name) ||
    (uuid !== '' && spec === `/dev/disk/by-uuid/${uuid}`)
  );
};

/** `/dev/group/volume` of the name below /dev/mapper; undefined of what is no logical volume. */
const groupPath = (name: string): string | undefined => {
  const words = name
    .replaceAll('--', '\0')
    .split('-')
    .map((word) => word.replaceAll('\0', '-'));
  return words.length === 2 ? `/dev/${words.join('/')}` : undefined;
};
