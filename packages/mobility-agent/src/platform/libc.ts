import { getSystemErrorName } from 'node:util';
import koffi from 'koffi';

/**
 * The few functions of the C library that Node does not offer, from the one this process is linked with. Bound at first use, so that
 * importing this file is harmless where they do not exist. Pointers are bigint addresses.
 */
interface Libc {
  mmap(address: null, length: number, protection: number, flags: number, fd: number, offset: number): bigint;
  munmap(address: bigint, length: number): number;
  mlock(address: bigint, length: number): number;
  read(fd: number, target: bigint, length: number): number;
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  flock(fd: number, operation: number): number;
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  mount(source: string, target: string, type: string, flags: number, data: null): number;
  syncfs(fd: number): number;
  lseek(fd: number, offset: number, whence: number): number;
  sched_getaffinity(thread: number, length: number, mask: Uint8Array): number;
  sched_setaffinity(thread: number, length: number, mask: Uint8Array): number;
  syscall(number: number, a: number, b: number, c: number): number;
  /** The same with arguments that are addresses. */
  syscallAt(number: number, a: bigint, b: bigint, c: bigint, d: bigint, e: bigint): number;
}

let bound: Libc | undefined;

export const libc = (): Libc => {
  if (bound !== undefined) return bound;
  const library = koffi.load(null);
  bound = {
    mmap: library.func('void *mmap(void *, size_t, int, int, int, int64_t)'),
    munmap: library.func('int munmap(void *, size_t)'),
    mlock: library.func('int mlock(void *, size_t)'),
    read: library.func('int64_t read(int, void *, size_t)'),
    ioctl: library.func('int ioctl(int, unsigned long, _Inout_ uint8_t *)'),
    flock: library.func('int flock(int, int)'),
    fallocate: library.func('int fallocate(int, int, int64_t, int64_t)'),
    mount: library.func('int mount(const char *, const char *, const char *, unsigned long, void *)'),
    syncfs: library.func('int syncfs(int)'),
    lseek: library.func('int64_t lseek(int, int64_t, int)'),
    sched_getaffinity: library.func('int sched_getaffinity(int, size_t, _Out_ uint8_t *)'),
    sched_setaffinity: library.func('int sched_setaffinity(int, size_t, const uint8_t *)'),
    syscall: library.func('int64_t syscall(int64_t, int64_t, int64_t, int64_t)'),
    syscallAt: library.func('syscall', 'int64_t', ['int64_t', 'uint64_t', 'uint64_t', 'uint64_t', 'uint64_t', 'uint64_t']),
  };
  return bound;
};

/** The error number of the call just made. */
export const errno = (): number => koffi.errno();

/** The error of the call just made, in the shape of Node's own system errors. */
export const systemError = (call: string): NodeJS.ErrnoException => {
  const number = errno();
  const code = getSystemErrorName(-number);
  return Object.assign(new Error(`${code}: ${call}`), { code, errno: -number, syscall: call });
};

/** Makes a call of `libc` in a thread of its own, so that the program goes on meanwhile. */
export const inThread = <Name extends 'ioctl' | 'syncfs'>(name: Name, ...args: Parameters<Libc[Name]>): Promise<void> =>
  new Promise((resolve, reject) => {
    const call = libc()[name] as unknown as { async(...all: unknown[]): void };
    call.async(...args, (_: unknown, result: number) => (result < 0 ? reject(systemError(name)) : resolve()));
  });
