import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import type { LabKind } from './announcement.ts';
import { formatBytes } from './output/format.ts';

/** Bytes a run may need at most beside what its vault grows to: images and exports are sparse, but may fill. */
const ROOM: Readonly<Record<LabKind, number>> = { ledger: 4 * 2 ** 30, disks: 2 ** 30, image: 2 ** 30 };

const isDirectory = (name: string): boolean => statSync(name, { throwIfNoEntry: false })?.isDirectory() === true;

/** Refuses a report that could not be written in the end, after all the work. */
export const checkReportPlace = (file: string): void => {
  const refuse = (why: string, remedy: string, cause?: unknown): never => {
    throw new HoldfastError('SETTING_INVALID', { thing: `--json ${file}`, why, remedy, cause });
  };
  const directory = path.dirname(file);
  if (!isDirectory(directory)) refuse(`there is no directory ${directory}`, 'make it or name another file');
  if (isDirectory(file)) refuse('it is a directory', 'name a file');
  try {
    accessSync(existsSync(file) ? file : directory, constants.W_OK);
  } catch (cause) {
    refuse('it cannot be written', 'name another file', cause);
  }
};

const freeBytes = (directory: string): number => {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
};

/** Refuses to begin where the disk images, exports and the vault would not fit. */
export const checkRoom = (directory: string, kind: LabKind, free: number = freeBytes(directory)): void => {
  if (free >= ROOM[kind]) return;
  throw new HoldfastError('NO_SPACE', {
    thing: directory,
    why: `${formatBytes(free)} are free where ${formatBytes(ROOM[kind])} may be needed`,
    remedy: 'free space there, or set TMPDIR to a directory with more',
  });
};

/** A Unix socket's name has 107 bytes at most (unix(7)); this is what the run's directory may take of them. */
const LONGEST_DIRECTORY = 80;

/** Refuses a directory whose name is too long for the sockets in it. */
export const checkLength = (directory: string): void => {
  if (Buffer.byteLength(directory) <= LONGEST_DIRECTORY) return;
  throw new HoldfastError('SETTING_INVALID', {
    thing: directory,
    why: `its name has more than ${LONGEST_DIRECTORY} bytes, too many for a Unix socket in it`,
    remedy: 'set TMPDIR to a directory with a shorter name',
  });
};
