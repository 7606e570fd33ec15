import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { isHoldfastError } from '@holdfast/errors';
import { asFile } from './disk-file.ts';
import type { GuestDisk } from './guest-disk.ts';
import { attachLoop } from './loop-device.ts';
import { runTool, TOOL_LIMITS } from './run-tool.ts';
import { clearScratch, makeScratch } from './scratch.ts';
import { openStackedVolumes, type StackedVolumes } from './stacked-volumes.ts';
import { readVolumes, type Volume } from './volumes.ts';

export interface CheckedVolume {
  readonly name: string;
  readonly type: string;
  /** What is wrong with it, in the words of the program that looked. */
  readonly fault: string | undefined;
}

/** What looks at a file system and changes nothing, by its type; each ends with a status other than 0 when something is wrong. */
const CHECKS: Readonly<Record<string, readonly string[]>> = {
  ext2: ['e2fsck', '-f', '-n'],
  ext3: ['e2fsck', '-f', '-n'],
  ext4: ['e2fsck', '-f', '-n'],
  xfs: ['xfs_repair', '-n'],
  btrfs: ['btrfs', 'check', '--readonly', '--force'],
};

/**
 * Checks the file systems of disks that are served by NBD, writable, those of mirrors and logical volumes too: journals are replayed first, as the machine itself
 * would. Needs root, FUSE, loop devices
 * and the programs of the file systems. Errors: NO_PERMISSION, TOOL_MISSING, why the
 * signal was aborted.
 */
export const checkFileSystems = async (
  disks: readonly GuestDisk[],
  { scratch, signal }: { readonly scratch: string; readonly signal: AbortSignal },
): Promise<CheckedVolume[]> => {
  const directory = await makeScratch(scratch);
  const checked: CheckedVolume[] = [];
  let stacked: StackedVolumes | undefined;
  try {
    const volumes: Volume[] = [];
    for (const [at, disk] of disks.entries()) volumes.push(...(await readVolumes(disk, await asFile(directory, `disk-${at}`, disk.uri))));
    stacked = await openStackedVolumes(disks, volumes, directory);
    volumes.push(...stacked.volumes);
    for (const volume of volumes) {
      signal.throwIfAborted();
      const check = CHECKS[volume.type];
      if (check === undefined) continue;
      checked.push({ name: volume.name, type: volume.type, fault: await faultOf(volume, check, directory, signal) });
    }
  } finally {
    await clearScratch(directory);
    await stacked?.close();
  }
  return checked;
};

const faultOf = async (
  volume: Volume,
  [program = '', ...args]: readonly string[],
  directory: string,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const loop = await attachLoop(volume);
  const { type } = volume;
  const at = path.join(directory, 'replay');
  await mkdir(at, { recursive: true });
  try {
    const options = `nosuid,nodev,noexec${type === 'xfs' ? ',nouuid' : ''}`;
    await runTool('mount', ['-t', type, '-o', options, loop, at], { seconds: TOOL_LIMITS.mount, signal });
    await runTool('umount', [at], { seconds: TOOL_LIMITS.mount, signal });
    await runTool(program, [...args, loop], { seconds: TOOL_LIMITS.check, signal });
    return undefined;
  } catch (reason) {
    if (!isHoldfastError(reason, 'IO_FAILED') && !isHoldfastError(reason, 'TIMED_OUT')) throw reason;
    return reason.why.slice(-300);
  } finally {
    await runTool('losetup', ['--detach', loop]);
  }
};
