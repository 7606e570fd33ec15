import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isHoldfastError } from '@holdfast/errors';
import { type RunToolOptions, runTool } from './run-tool.ts';

export interface Mount {
  readonly directory: string;
  readonly type: string;
  /** `/dev/loop3`, `tmpfs` … */
  readonly source: string;
  /** `7:3`, as /sys/dev/block names it. */
  readonly deviceNumber: string;
}

/** The kernel writes blanks and backslashes in octal. */
const plain = (text: string): string => text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** Parses /proc/self/mountinfo (format: proc_pid_mountinfo(5)). */
export const parseMounts = (text: string): Mount[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [fixed = '', rest = ''] = line.split(' - ');
      const [, , deviceNumber = '', , directory = ''] = fixed.split(' ');
      const [type = '', source = ''] = rest.split(' ');
      return { directory: plain(directory), type, source: plain(source), deviceNumber };
    });

/** What is mounted now, in the order it was mounted. */
export const listMounts = (): Mount[] => parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'));

/** True when `file` is `directory` or lies below it. */
export const isWithin = (file: string, directory: string): boolean => file === directory || file.startsWith(directory + path.sep);

/** The mount that holds a file (by full path, links resolved): the deepest one, the last mounted where several lie upon one another. */
export const mountOf = (file: string, mounts: readonly Mount[] = listMounts()): Mount | undefined =>
  mounts
    .filter(({ directory }) => directory === '/' || isWithin(file, directory))
    .reduce<Mount | undefined>(
      (best, one) => (best === undefined || one.directory.length >= best.directory.length ? one : best),
      undefined,
    );

/** Mounts a device; `options` as for mount -o, none for the file system's defaults. */
export const mount = async (device: string, directory: string, options = '', run: RunToolOptions = {}): Promise<void> => {
  await runTool('mount', [...(options === '' ? [] : ['-o', options]), device, directory], run);
};

const BUSY_TRIES = 50;
const BUSY_PAUSE_MS = 100;

/** Unmounts, patient with whoever is about to let go; in the end lazily, so that nothing stays in the tree. */
export const unmount = async (directory: string): Promise<void> => {
  for (let tries = 0; tries < BUSY_TRIES; tries += 1) {
    try {
      await runTool('umount', [directory]);
      return;
    } catch (reason) {
      if (!listMounts().some((one) => one.directory === directory)) return;
      if (!isHoldfastError(reason, 'IO_FAILED')) throw reason;
      await sleep(BUSY_PAUSE_MS);
    }
  }
  await runTool('umount', ['--lazy', directory]);
};
