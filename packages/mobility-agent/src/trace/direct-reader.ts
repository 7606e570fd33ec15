import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { BLOCK_SIZE, type Extent, mergeExtents } from '@holdfast/block';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { deviceSequence, deviceSize } from '../platform/ioctl.ts';
import { allocatePages } from '../platform/memory.ts';
import { openReadQueue, type ReadQueue } from '../platform/queued-reads.ts';
import { type TracedDevice, unpackDevice } from './device.ts';

/**
 * Reads a disk past the page cache (O_DIRECT): what the device holds, which is what traced writes change; buffered reads of a mounted disk
 * are stale. Always through the whole-disk node: the kernel would write back the cache of a partition's node first.
 */
export interface DirectReader {
  /**
   * Fills `target`, page-aligned memory from `allocateReadBuffer`, with the disk's bytes from `offset`; both offset and length are multiples
   * of the logical block size. Returns the 4 KiB blocks that the device cannot read; they are zeroes in `target`. Blocks the thread.
   * Throws DEVICE_CHANGED when the disk is gone or shorter than it was.
   */
  read(offset: number, target: Uint8Array): Extent[];
  /** The same for several targets, all in memory of one `allocateReadBuffer`, as far as possible at the same time. */
  readAll(reads: readonly DirectRead[]): Extent[][];
  close(): void;
}

export interface DirectRead {
  readonly offset: number;
  readonly target: Uint8Array;
}

/** Reads under way at the same time: enough to keep a disk busy, few enough to leave room for the machine's own. */
const DEPTH = 16;

const NONE: Extent[] = [];

/** Memory for `DirectReader.read`; 1 to 4 MiB a read is best. */
export const allocateReadBuffer = (length: number): Uint8Array<ArrayBuffer> => {
  const { bytes, address } = allocatePages(length);
  addresses.set(bytes.buffer, Number(address));
  return bytes;
};

/** Where buffers for reads begin. */
const addresses = new WeakMap<ArrayBufferLike, number>();

class Reader implements DirectReader {
  readonly #device: TracedDevice;
  readonly #fd: number;
  readonly #queue: ReadQueue | undefined;

  constructor(device: TracedDevice, fd: number) {
    this.#device = device;
    this.#fd = fd;
    this.#checkDevice();
    this.#queue = openReadQueue(DEPTH);
  }

  readAll(reads: readonly DirectRead[]): Extent[][] {
    const unreadable: Extent[][] = [];
    const depth = this.#queue?.depth ?? reads.length;
    for (let first = 0; first < reads.length; first += depth) {
      const some = reads.slice(first, first + depth);
      const counts = some.length === 1 ? undefined : this.#queue?.read(this.#fd, addressOf(some), some);
      for (const [index, { offset, target }] of some.entries())
        unreadable.push(counts?.[index] === target.length ? NONE : this.read(offset, target));
    }
    return unreadable;
  }

  read(offset: number, target: Uint8Array): Extent[] {
    if (this.#tryToRead(offset, target)) return NONE;
    this.#checkDevice();
    const unreadable: Extent[] = [];
    this.#readAround(offset, target, unreadable);
    return mergeExtents(unreadable);
  }

  close(): void {
    this.#queue?.close();
    closeSync(this.#fd);
  }

  /** Halves what cannot be read until single blocks are left. */
  #readAround(offset: number, target: Uint8Array, unreadable: Extent[]): void {
    if (this.#tryToRead(offset, target)) return;
    if (Math.floor(offset / BLOCK_SIZE) === Math.floor((offset + target.length - 1) / BLOCK_SIZE)) {
      target.fill(0);
      unreadable.push({ offset, length: target.length });
      return;
    }
    const middle =
      Math.max(Math.floor((offset + target.length / 2) / BLOCK_SIZE), Math.floor(offset / BLOCK_SIZE) + 1) * BLOCK_SIZE - offset;
    this.#readAround(offset, target.subarray(0, middle), unreadable);
    this.#readAround(offset + middle, target.subarray(middle), unreadable);
  }

  /** False if the device fails to read some of it. */
  #tryToRead(offset: number, target: Uint8Array): boolean {
    for (let done = 0; done < target.length; ) {
      let count: number;
      try {
        count = readSync(this.#fd, target, done, target.length - done, offset + done);
      } catch (reason) {
        // Anything else than "wrong address or length" is the device's: EIO, ENODATA, EREMOTEIO, ETIMEDOUT...
        if ((reason as NodeJS.ErrnoException).code === 'EINVAL') throw fromSystem(reason, `${this.#device.path} at ${offset}`, 'INTERNAL');
        return false;
      }
      if (count === 0) throw this.#changed(`it ends before byte ${offset + target.length}`);
      done += count;
    }
    return true;
  }

  /** That the open device is the one that was identified, and as long. */
  #checkDevice(): void {
    const { path, major, minor, diskSequence, size } = this.#device;
    const found = unpackDevice(fstatSync(this.#fd).rdev);
    if (found.major !== major || found.minor !== minor) throw this.#changed(`${path} is another device now`);
    if (diskSequence !== 0 && deviceSequence(this.#fd) !== diskSequence) throw this.#changed('there is another disk behind its name now');
    const now = deviceSize(this.#fd);
    if (now < size) throw this.#changed(`it has ${now} bytes instead of ${size}`);
  }

  #changed(why: string): HoldfastError {
    return new HoldfastError('DEVICE_CHANGED', { thing: this.#device.path, why, remedy: 'attach it anew; its generation ends here' });
  }
}

/** Of the memory that all of them go to. */
const addressOf = (reads: readonly DirectRead[]): number => {
  const { buffer } = reads[0]!.target;
  const address = addresses.get(buffer);
  if (address !== undefined && reads.every(({ target }) => target.buffer === buffer)) return address;
  const why = 'a read into memory that was not made for it';
  throw new HoldfastError('INTERNAL', { thing: 'direct reader', why, remedy: 'report this' });
};

/** Opens an identified disk for direct reads. Throws DEVICE_CHANGED if it is not the identified one any more, NO_PERMISSION. */
export const openDirectReader = (device: TracedDevice): DirectReader => {
  let fd: number;
  try {
    fd = openSync(device.path, constants.O_RDONLY | constants.O_DIRECT);
  } catch (reason) {
    throw fromSystem(reason, device.path);
  }
  try {
    return new Reader(device, fd);
  } catch (reason) {
    closeSync(fd);
    throw reason;
  }
};
