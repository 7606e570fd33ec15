import { errno, libc, systemError } from './libc.ts';

const EINTR = 4;
const ENXIO = 6;
const EAGAIN = 11;
const ENODEV = 19;
const SEEK_DATA = 3;
const LOCK_EXCLUSIVE_NOW = 2 | 4;
const LOCK_RELEASE = 8;

/**
 * Copies at most `length` bytes from a non-blocking file straight to `target`; 0 when there is nothing now. A ring of the kernel's tracer has
 * nothing as long as its processor, one that may come, has not been there.
 */
export const readInto = (fd: number, target: bigint, length: number): number => {
  for (;;) {
    const count = libc().read(fd, target, length);
    if (count >= 0) return count;
    const reason = errno();
    if (reason === EAGAIN || reason === ENODEV) return 0;
    if (reason !== EINTR) throw systemError('read');
  }
};

/** Takes the exclusive lock of an open file; false if another process has it. A mapping of the file keeps it beyond `close`: release it. */
export const tryLock = (fd: number): boolean => {
  if (libc().flock(fd, LOCK_EXCLUSIVE_NOW) === 0) return true;
  if (errno() === EAGAIN) return false;
  throw systemError('flock');
};

export const releaseLock = (fd: number): void => {
  if (libc().flock(fd, LOCK_RELEASE) !== 0) throw systemError('flock');
};

/** Makes the file `length` bytes long with all its room really there (ENOSPC otherwise), zeroes where it was shorter. */
export const allocateFile = (fd: number, length: number): void => {
  if (libc().fallocate(fd, 0, 0, length) !== 0) throw systemError('fallocate');
};

/** The first byte from `offset` on that the file may hold something at; Infinity when the rest of it is a hole. `offset` itself where that is not known. */
export const nextData = (fd: number, offset: number): number => {
  const found = libc().lseek(fd, offset, SEEK_DATA);
  if (found >= 0) return found;
  return errno() === ENXIO ? Number.POSITIVE_INFINITY : offset;
};
