import { mkdir, mkdtemp, readdir, readFile, readlink, realpath, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { startOf } from '../../qemu/process-of.ts';
import { runTool, TOOL_LIMITS } from './run-tool.ts';

/*
 * What mounts leave behind is found by looking at the system, not at notes: the same steps end them in order, and clear up after a process that was killed.
 */

/** In a scratch directory: leads to where its file systems are mounted, read-only, for somebody to look at. */
export const TARGET = 'target';

export interface KernelMount {
  readonly target: string;
  readonly source: string;
}

/** `\040` for a blank and the like: https://docs.kernel.org/filesystems/proc.html */
const unescapeOctal = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

export const kernelMounts = async (): Promise<KernelMount[]> =>
  (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const fields = line.split(' ');
      return { target: unescapeOctal(fields[4]!), source: unescapeOctal(fields[fields.indexOf('-') + 2]!) };
    });

/** Loop devices over files below a directory. */
export const loopsBelow = async (directory: string): Promise<string[]> => {
  const found: string[] = [];
  for (const name of (await readdir('/sys/block')).filter((one) => one.startsWith('loop'))) {
    const file = await readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => '');
    if (file.startsWith(`${directory}/`)) found.push(`/dev/${name}`);
  }
  return found;
};

const quietly = (work: Promise<unknown>): Promise<unknown> =>
  work.catch((reason: unknown) => {
    if (!isHoldfastError(reason)) throw reason;
  });

const ATTEMPTS = 50;

/**
 * Takes away file systems, loop devices and FUSE mounts of a scratch directory, then the directory. What was written is on the disks then. Where somebody may
 * be looking at read-only files, without them. Resolves to where these were. Errors: STOP_INCOMPLETE.
 */
export const clearScratch = async (scratch: string): Promise<string | undefined> => {
  const target = await readlink(path.join(scratch, TARGET)).catch(() => undefined);
  for (let attempt = 0; ; attempt += 1) {
    const loops = await loopsBelow(scratch);
    const mounts = await kernelMounts();
    const fileSystems = mounts.filter(({ source }) => loops.includes(source));
    const others = mounts.filter((mount) => mount.target.startsWith(`${scratch}/`) && !fileSystems.includes(mount));
    if (loops.length + others.length === 0) break;
    // A loop device that somebody still looks into ends with that.
    if (attempt >= ATTEMPTS && target !== undefined && fileSystems.length + others.length === 0) break;
    if (attempt >= ATTEMPTS)
      throw new HoldfastError('STOP_INCOMPLETE', {
        thing: scratch,
        why: `${fileSystems.length + others.length} mounts and ${loops.length} loop devices could not be taken away`,
        remedy: 'find who uses them (`fuser -m`), then unmount them',
      });
    const lazily = target === undefined || attempt < 2 ? [] : ['-l'];
    for (const { target: at } of fileSystems.toReversed())
      await quietly(runTool('umount', [...lazily, at], { seconds: TOOL_LIMITS.mount }));
    for (const loop of loops) await quietly(runTool('losetup', ['--detach', loop]));
    if (loops.length === 0 || lazily.length > 0)
      for (const { target: at } of others.toReversed()) await quietly(runTool('umount', [...lazily, at], { seconds: TOOL_LIMITS.mount }));
    if (attempt > 0) await sleep(100);
  }
  await rm(scratch, { recursive: true, force: true });
  // Empty directories that were made to mount on.
  for (const entry of target === undefined ? [] : await readdir(target).catch(() => []))
    await rmdir(path.join(target!, entry)).catch(() => undefined);
  return target;
};

/** A new scratch directory; those of processes that ended without clearing up are cleared first, and told. */
export const makeScratch = async (base: string, onCleared: (what: string) => void = () => {}): Promise<string> => {
  await mkdir(base, { recursive: true, mode: 0o700 });
  for (const name of await readdir(base)) {
    const [, pid, start] = /^(\d+)-(\d+)-/.exec(name) ?? [];
    if (pid === undefined || (await startOf(Number(pid))) === start) continue;
    const scratch = path.join(base, name);
    onCleared((await clearScratch(scratch)) ?? scratch);
  }
  // The kernel tells of mounts by their real paths.
  return mkdtemp(path.join(await realpath(base), `${process.pid}-${await startOf(process.pid)}-`));
};
