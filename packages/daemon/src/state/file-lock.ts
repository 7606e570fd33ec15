import type { FileHandle } from 'node:fs/promises';
import koffi from 'koffi';

const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

let flock: ((fd: number, operation: number) => number) | undefined;

/**
 * Takes the kernel's lock on an open file (flock(2)); false when another process has it. The kernel frees it when the file is closed,
 * however the process ends.
 */
export const lockFile = (file: FileHandle): boolean => {
  flock ??= koffi.load(null).func('int flock(int, int)');
  if (flock(file.fd, LOCK_EX | LOCK_NB) === 0) return true;
  const number = koffi.errno();
  if (number === EWOULDBLOCK) return false;
  throw Object.assign(new Error(`flock failed with error number ${number}`), { errno: -number, syscall: 'flock' });
};
