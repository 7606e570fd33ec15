import { mkdir, readdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError, isHoldfastError } from '@holdfast/errors';
import { createTreeReader, type MountedTree } from '../tree/mounted-tree.ts';
import { asFile } from './disk-file.ts';
import type { GuestDisk } from './guest-disk.ts';
import { attachLoop } from './loop-device.ts';
import { runTool, TOOL_LIMITS } from './run-tool.ts';
import { clearScratch, TARGET } from './scratch.ts';
import { openStackedVolumes, type StackedVolumes } from './stacked-volumes.ts';
import { readVolumes, type Volume } from './volumes.ts';
import { ELSEWHERE_BY_LVM, whyNotMounted } from './why-not.ts';

export interface MountedVolume {
  /** `sda1`; of a mirror `md0`; of a logical volume its name below /dev/mapper. */
  readonly name: string;
  /** Absent for a mirror and a logical volume, which may lie on several. */
  readonly disk?: string;
  /** What is on it by its signature; empty when nothing is known. */
  readonly type: string;
  /** Where its file system is; absent when it is not mounted. */
  readonly path?: string;
  /** Why it is not. */
  readonly why?: string;
}

/** The file systems of disks, until they are closed. */
export interface MountedVolumes {
  readonly volumes: readonly MountedVolume[];
  /** Arrays and logical volumes that could not be opened, why, and what to do. */
  readonly notes: readonly string[];
  /** The files of a mounted volume; by a process of its own: the disks may be served by this one, and a thread of ours that waits for them cannot serve. */
  tree(volume: MountedVolume): MountedTree;
  /** Takes all away, the scratch directory too. */
  close(): Promise<void>;
}

export interface MountVolumesOptions {
  /** By `makeScratch`. */
  readonly scratch: string;
  /** An empty directory, or a new one, that gets one for each file system; in the scratch directory unless told. */
  readonly directory?: string;
  readonly signal: AbortSignal;
}

/** Nothing on a disk of somebody else's machine shall run, or be a device, here. */
const SAFE = 'ro,nosuid,nodev,noexec';

/**
 * Mounts the file systems of disks read-only: those of partitions, whole disks, mirrors of md and logical volumes. What replaying a journal writes goes to the disks. Needs
 * root, FUSE and loop devices. Errors: NO_PERMISSION, SETTING_INVALID (the directory is not empty), TOOL_MISSING, IO_FAILED, why the signal was aborted.
 */
export const mountVolumes = async (
  disks: readonly GuestDisk[],
  { scratch, directory = path.join(scratch, 'mounted'), signal }: MountVolumesOptions,
): Promise<MountedVolumes> => {
  let stacked: StackedVolumes | undefined;
  const reader = createTreeReader();
  const close = async (): Promise<void> => {
    await reader.close();
    await clearScratch(scratch);
    await stacked?.close();
  };
  try {
    await makeTarget(directory);
    await symlink(path.resolve(directory), path.join(scratch, TARGET));
    const found: Volume[] = [];
    for (const [at, disk] of disks.entries()) {
      signal.throwIfAborted();
      found.push(...(await readVolumes(disk, await asFile(scratch, `disk-${at}`, disk.uri))));
    }
    stacked = await openStackedVolumes(disks, found, scratch);
    found.push(...stacked.volumes);
    const volumes: MountedVolume[] = [];
    for (const volume of found) {
      signal.throwIfAborted();
      const disk = disks.find(({ id }) => id === volume.diskId)?.name;
      const { name, type } = volume;
      volumes.push({ name, ...(disk !== undefined && { disk }), type, ...(await mountVolume(volume, path.join(directory, name))) });
    }
    return {
      volumes,
      notes: stacked.notes.map((note) => `${note}; ${ELSEWHERE_BY_LVM}`),
      tree: ({ path: at }) => reader.tree(at!),
      close,
    };
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

const mountVolume = async (volume: Volume, at: string): Promise<{ path: string } | { why: string }> => {
  const { type } = volume;
  const why = whyNotMounted(type);
  if (why !== undefined) return { why };
  const loop = await attachLoop(volume);
  await mkdir(at);
  try {
    // A file system that was cloned has the id of the one it was cloned from, which may be mounted here.
    await runTool('mount', ['-t', type, '-o', type === 'xfs' ? `${SAFE},nouuid` : SAFE, loop, at], { seconds: TOOL_LIMITS.mount });
    return { path: at };
  } catch (reason) {
    if (!isHoldfastError(reason, 'IO_FAILED')) throw reason;
    await runTool('losetup', ['--detach', loop]);
    return { why: reason.why };
  }
};
