import { mkdir, mkdtemp, readdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError, isHoldfastError } from '@holdfast/errors';
import { asFile, startOf } from '@holdfast/fabric';
import type { MachineHistory, PointDisk, RecoveryPoint } from '@holdfast/vault';
import { type DiskServer, type ServeOptions, serveDisks } from '../disks/serve-disks.ts';
import type { Surroundings } from '../surroundings.ts';
import { volumesOf } from './partitions.ts';
import { runTool } from './run-tool.ts';
import { tearDown, tearDownLeftovers } from './teardown.ts';
import { whyNotMounted } from './why-not.ts';

export interface MountedVolume {
  /** `sda1`. */
  readonly name: string;
  readonly disk: string;
  /** What is on it by its signature; empty when nothing is known. */
  readonly type: string;
  /** Where its file system is; absent when it is not mounted. */
  readonly path?: string;
  /** Why it is not. */
  readonly why?: string;
}

/** The file systems of a point, until it is closed. */
export interface MountedPoint {
  readonly volumes: readonly MountedVolume[];
  close(): Promise<void>;
}

export interface MountOptions extends Pick<ServeOptions, 'cache'> {
  /** An empty directory that gets one for each file system; in the scratch directory unless told. */
  readonly directory?: string;
}

/** Where scratch directories are; large enough for what replaying journals writes. */
export const scratchBase = ({ environment }: Surroundings): string => environment['HOLDFAST_MOUNT_DIRECTORY'] ?? '/var/tmp/holdfast-mounts';

const FILE_SYSTEMS = ['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'vfat', 'exfat', 'ntfs', 'iso9660', 'f2fs', 'squashfs'];
/** Nothing on a disk of somebody else's machine shall run, or be a device, here. */
const SAFE = 'ro,nosuid,nodev,noexec';

/**
 * Mounts the file systems of a point read-only. Each disk lies under an overlay that takes what replaying journals writes; the vault stays as it is. Needs root,
 * FUSE and loop devices. Errors: NO_PERMISSION, TOOL_MISSING, IO_FAILED.
 */
export const mountPoint = async (
  surroundings: Surroundings,
  history: MachineHistory,
  point: RecoveryPoint,
  disks: readonly PointDisk[],
  { directory, cache }: MountOptions,
): Promise<MountedPoint> => {
  if (process.getuid?.() !== 0)
    throw new HoldfastError('NO_PERMISSION', { thing: 'mounting', why: 'only root may mount file systems', remedy: 'run it by sudo' });
  const base = scratchBase(surroundings);
  await mkdir(base, { recursive: true, mode: 0o700 });
  for (const cleared of await tearDownLeftovers(base))
    surroundings.stderr.write(`Cleared up ${cleared}, left by a mount that was killed.\n`);
  const scratch = await mkdtemp(path.join(base, `${process.pid}-${await startOf(process.pid)}-`));
  let server: DiskServer | undefined;
  const close = async (): Promise<void> => {
    await tearDown(scratch);
    await server?.close();
  };
  try {
    const target = directory ?? path.join(scratch, 'mounted');
    await makeTarget(target);
    await symlink(path.resolve(target), path.join(scratch, 'target'));
    server = await serveDisks(surroundings, history, point, disks, {
      listen: { path: path.join(scratch, 'nbd.sock') },
      overlayOf: ({ id }) => path.join(scratch, `overlay-${id}`),
      ...(cache && { cache }),
    });
    const volumes: MountedVolume[] = [];
    for (const { disk, uri } of server.disks) {
      surroundings.stop.throwIfAborted();
      const file = await asFile(scratch, disk.id, uri);
      for (const volume of await volumesOf(disk.name, file)) {
        surroundings.stop.throwIfAborted();
        volumes.push(await mountVolume(volume, disk.name, file, target));
      }
    }
    return { volumes, close };
  } catch (reason) {
    await close();
    throw reason;
  }
};

const makeTarget = async (target: string): Promise<void> => {
  try {
    await mkdir(target, { recursive: true });
    if ((await readdir(target)).length > 0)
      throw new HoldfastError('SETTING_INVALID', {
        thing: target,
        why: 'the directory is not empty',
        remedy: 'name an empty one, or a new one',
      });
  } catch (reason) {
    throw isHoldfastError(reason) ? reason : fromSystem(reason, target);
  }
};

const mountVolume = async (
  { name, offset, size }: { readonly name: string; readonly offset: number; readonly size: number | undefined },
  disk: string,
  file: string,
  target: string,
): Promise<MountedVolume> => {
  const range = ['--offset', String(offset), ...(size === undefined ? [] : ['--sizelimit', String(size)])];
  const loop = (await runTool('losetup', ['--find', '--show', ...range, file])).trim();
  const type = await typeOf(loop);
  const at = path.join(target, name);
  const why = whyNotMounted(type, FILE_SYSTEMS);
  if (why !== undefined) {
    await runTool('losetup', ['--detach', loop]);
    return { name, disk, type, why };
  }
  await mkdir(at);
  try {
    // A file system that was cloned has the id of the one it was cloned from, which may be mounted here.
    await runTool('mount', ['-t', type, '-o', type === 'xfs' ? `${SAFE},nouuid` : SAFE, loop, at]);
    return { name, disk, type, path: at };
  } catch (reason) {
    if (!isHoldfastError(reason, 'IO_FAILED')) throw reason;
    await runTool('losetup', ['--detach', loop]);
    return { name, disk, type, why: reason.why };
  }
};

const typeOf = async (loop: string): Promise<string> => {
  try {
    const told = await runTool('blkid', ['--probe', '--output', 'export', loop]);
    return /^TYPE=(.*)$/m.exec(told)?.[1] ?? '';
  } catch (reason) {
    if (isHoldfastError(reason, 'IO_FAILED')) return '';
    throw reason;
  }
};
