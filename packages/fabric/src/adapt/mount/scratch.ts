import { mkdir, mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { startOf } from '../../qemu/process-of.ts';
import { runTool } from './run-tool.ts';

/*
 * What mounts leave behind is found by looking at the system, not at notes: the same steps end them in order, and clear up after a process that was killed.
 */

interface KernelMount {
  readonly target: string;
  readonly source: string;
}

/** `\040` for a blank and the like: https://docs.kernel.org/filesystems/proc.html */
const unescapeOctal = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

const mountsBelow = async (directory: string): Promise<KernelMount[]> =>
  (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const fields = line.split(' ');
      return { target: unescapeOctal(fields[4]!), source: unescapeOctal(fields[fields.indexOf('-') + 2]!) };
    })
    .filter(({ target }) => target.startsWith(`${directory}/`));

/** Loop devices over files below a directory. */
const loopsBelow = async (directory: string): Promise<string[]> => {
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

/** Takes away file systems, loop devices and FUSE mounts of a scratch directory, then the directory. What was written is on the disks then. */
export const clearScratch = async (scratch: string): Promise<void> => {
  for (let attempt = 0; ; attempt += 1) {
    const loops = await loopsBelow(scratch);
    const mounts = await mountsBelow(scratch);
    if (loops.length + mounts.length === 0) break;
    if (attempt >= ATTEMPTS)
      throw new HoldfastError('STOP_INCOMPLETE', {
        thing: scratch,
        why: `${mounts.length} mounts and ${loops.length} loop devices could not be taken away`,
        remedy: 'find who uses them (`fuser -m`), then unmount them',
      });
    const fileSystems = mounts.filter(({ source }) => source.startsWith('/dev/'));
    for (const { target } of fileSystems.toReversed()) await quietly(runTool('umount', [target]));
    for (const loop of loops) await quietly(runTool('losetup', ['--detach', loop]));
    if (fileSystems.length === 0 && loops.length === 0)
      for (const { target } of mounts.toReversed()) await quietly(runTool('umount', [target]));
    if (attempt > 0) await sleep(100);
  }
  await rm(scratch, { recursive: true, force: true });
};

/** A new scratch directory; those of processes that ended without clearing up are cleared first. */
export const makeScratch = async (base: string): Promise<string> => {
  await mkdir(base, { recursive: true, mode: 0o700 });
  for (const name of await readdir(base)) {
    const [, pid, start] = /^(\d+)-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && (await startOf(Number(pid))) !== start) await clearScratch(path.join(base, name));
  }
  // The kernel tells of mounts by their real paths.
  return mkdtemp(path.join(await realpath(base), `${process.pid}-${await startOf(process.pid)}-`));
};
