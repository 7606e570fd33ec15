import { readdir, readFile, readlink, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isHoldfastError } from '@holdfast/errors';
import { startOf } from '@holdfast/fabric';
import { runTool } from './run-tool.ts';

/*
 * What a mount leaves behind is found by looking at the system, not at notes: so the same steps end a mount in order and clear up after one that was
 * killed at any moment.
 */

interface KernelMount {
  readonly target: string;
  readonly source: string;
  readonly type: string;
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
      const behind = fields.indexOf('-');
      return { target: unescapeOctal(fields[4]!), type: fields[behind + 1]!, source: unescapeOctal(fields[behind + 2]!) };
    });

/** Loop devices over files below a directory. */
export const loopsBelow = async (directory: string): Promise<string[]> => {
  const found: string[] = [];
  for (const name of await readdir('/sys/block')) {
    if (!name.startsWith('loop')) continue;
    const file = await readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => '');
    if (file.startsWith(`${directory}/`)) found.push(`/dev/${name}`);
  }
  return found;
};

const quietly = async (work: Promise<unknown>): Promise<void> => {
  await work.catch((reason: unknown) => {
    if (!isHoldfastError(reason)) throw reason;
  });
};

const ATTEMPTS = 50;

/** Takes away the file systems, loop devices and FUSE mounts of a scratch directory, then the directory. Resolves to where they were mounted. */
export const tearDown = async (scratch: string): Promise<string | undefined> => {
  const target = await readlink(path.join(scratch, 'target')).catch(() => undefined);
  for (let attempt = 0; ; attempt += 1) {
    const loops = await loopsBelow(scratch);
    const mounts = await kernelMounts();
    const ours = mounts.filter(({ source }) => loops.includes(source));
    const fuse = mounts.filter(({ target }) => target.startsWith(`${scratch}/`) && !ours.some((one) => one.target === target));
    if (loops.length + ours.length + fuse.length === 0) break;
    // Somebody may be looking at a file: at first as usual, then without them.
    const lazily = attempt < 2 ? [] : ['-l'];
    for (const { target } of ours.toReversed()) await quietly(runTool('umount', [...lazily, target]));
    for (const loop of loops) await quietly(runTool('losetup', ['--detach', loop]));
    if (loops.length === 0 || attempt >= 2)
      for (const { target } of fuse.toReversed()) await quietly(runTool('umount', [...lazily, target]));
    if (attempt >= ATTEMPTS) break;
    if (attempt > 0) await sleep(100);
  }
  // Never through a mount that is still there.
  const left = (await kernelMounts()).filter(({ target }) => target.startsWith(`${scratch}/`));
  if (left.length === 0) await rm(scratch, { recursive: true, force: true });
  // Empty directories that were made to mount on.
  for (const entry of target === undefined ? [] : await readdir(target).catch(() => []))
    await rmdir(path.join(target!, entry)).catch(() => undefined);
  return target;
};

/** Clears up after mounts whose processes have ended without doing so. */
export const tearDownLeftovers = async (base: string): Promise<string[]> => {
  const cleared: string[] = [];
  for (const name of await readdir(base).catch(() => [])) {
    const [, pid, start] = /^(\d+)-(\d+)-/.exec(name) ?? [];
    if (pid === undefined || (await startOf(Number(pid))) === start) continue;
    const scratch = path.join(base, name);
    cleared.push((await tearDown(scratch)) ?? scratch);
  }
  return cleared;
};
