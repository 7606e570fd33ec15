import { readFileSync } from 'node:fs';
import koffi from 'koffi';
import { libc, systemError } from './libc.ts';

/** Memory of the process outside of JavaScript's heap, page-aligned. It is unmapped once nothing refers to `bytes` or to a view of it. */
export interface MappedMemory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Valid as long as `bytes` is referred to. */
  readonly address: bigint;
}

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

const unmapped = new FinalizationRegistry<{ address: bigint; length: number }>(({ address, length }) => libc().munmap(address, length));

const map = (length: number, flags: number, fd: number, offset = 0): MappedMemory => {
  const address = libc().mmap(null, length, PROT_READ_WRITE, flags, fd, offset);
  if (address === MAP_FAILED) throw systemError('mmap');
  const buffer = koffi.view(address, length);
  unmapped.register(buffer, { address, length });
  return { bytes: new Uint8Array(buffer), address };
};

/** `length` bytes of an open file from `offset` on, shared with every process that maps it and kept in memory (never swapped). */
export const mapShared = (fd: number, length: number, offset = 0): MappedMemory => {
  const mapped = map(length, MAP_SHARED, fd, offset);
  if (libc().mlock(mapped.address, length) !== 0) throw systemError('mlock');
  return mapped;
};

/** Zeroed private memory, for direct I/O. */
export const allocatePages = (length: number): MappedMemory => map(length, MAP_PRIVATE_ANONYMOUS, -1);

const MLOCK2: Readonly<Record<string, number>> = { x64: 325, arm64: 284 };
const MLOCK_ONFAULT = 1;

/**
 * Keeps the program's code in memory, as far as it is or will be there: what was read from files never has to be read again. The heap of
 * JavaScript is left out, because its collector ends the program when the kernel does not take locked memory back.
 */
export const lockCode = (): void => {
  const number = MLOCK2[process.arch];
  for (const line of readFileSync('/proc/self/maps', 'latin1').split('\n')) {
    const [, first, last] = /^([0-9a-f]+)-([0-9a-f]+) r-.p \S+ \S+ [1-9]\d* +\//.exec(line) ?? [];
    if (first === undefined || last === undefined) continue;
    const from = Number.parseInt(first, 16);
    if (number === undefined || libc().syscall(number, from, Number.parseInt(last, 16) - from, MLOCK_ONFAULT) !== 0)
      throw systemError('mlock2');
  }
};
