import { errno, libc, systemError } from './libc.ts';
import { allocatePages } from './memory.ts';

/** Reads under way at the same time, by the kernel's asynchronous I/O (io_submit(2)): for files opened with O_DIRECT. */
export interface ReadQueue {
  /** Most reads that one call takes. */
  readonly depth: number;
  /**
   * Reads all at once into the memory at `address`, waits for them, and tells the bytes each gave, or -1 for one that failed. Places and lengths as O_DIRECT
   * wants them.
   */
  read(fd: number, address: number, reads: readonly QueuedRead[]): number[];
  close(): void;
}

export interface QueuedRead {
  readonly offset: number;
  /** Where its bytes go, a view of the memory. */
  readonly target: Uint8Array;
}

interface SystemCalls {
  readonly setup: number;
  readonly destroy: number;
  readonly getEvents: number;
  readonly submit: number;
}

const CALLS: Readonly<Record<string, SystemCalls>> = {
  x64: { setup: 206, destroy: 207, getEvents: 208, submit: 209 },
  arm64: { setup: 0, destroy: 1, getEvents: 4, submit: 2 },
};

/** `struct iocb` and `struct io_event` of linux/aio_abi.h. */
const IOCB_BYTES = 64;
const EVENT_BYTES = 32;
const POINTER_BYTES = 8;
const READ = 0;
const EINTR = 4;

class KernelReadQueue implements ReadQueue {
  readonly depth: number;
  readonly #calls: SystemCalls;
  readonly #memory;
  readonly #view: DataView;
  readonly #pointersAt: number;
  readonly #eventsAt: number;
  #context: bigint;

  constructor(depth: number, calls: SystemCalls) {
    this.depth = depth;
    this.#calls = calls;
    this.#pointersAt = depth * IOCB_BYTES;
    this.#eventsAt = this.#pointersAt + depth * POINTER_BYTES;
    this.#memory = allocatePages(this.#eventsAt + depth * EVENT_BYTES);
    const { bytes, address } = this.#memory;
    this.#view = new DataView(bytes.buffer);
    for (let slot = 0; slot < depth; slot += 1) {
      this.#view.setBigUint64(this.#pointersAt + slot * POINTER_BYTES, address + BigInt(slot * IOCB_BYTES), true);
      this.#view.setBigUint64(slot * IOCB_BYTES, BigInt(slot), true);
      this.#view.setUint16(slot * IOCB_BYTES + 16, READ, true);
    }
    // The kernel writes the context where an event will be.
    this.#call('io_setup', calls.setup, BigInt(depth), address + BigInt(this.#eventsAt));
    this.#context = this.#view.getBigUint64(this.#eventsAt, true);
  }

  read(fd: number, address: number, reads: readonly QueuedRead[]): number[] {
    const results: number[] = [];
    for (const { offset, target } of reads) {
      const at = results.length * IOCB_BYTES;
      this.#view.setUint32(at + 20, fd, true);
      this.#setWhole(at + 24, address + target.byteOffset);
      this.#setWhole(at + 32, target.length);
      this.#setWhole(at + 40, offset);
      results.push(-1);
    }
    // What the kernel does not take at all has failed; what it took has to be waited for before its memory may be used again.
    const taken = this.#submit(reads.length);
    for (let ended = 0; ended < taken; ) {
      const left = BigInt(taken - ended);
      const events = this.#memory.address + BigInt(this.#eventsAt);
      const count = this.#retried('io_getevents', this.#calls.getEvents, this.#context, left, left, events, 0n);
      for (let event = 0; event < count; event += 1) {
        const at = this.#eventsAt + event * EVENT_BYTES;
        results[this.#view.getUint32(at, true)] = Math.max(-1, this.#view.getInt32(at + 16, true));
      }
      ended += count;
    }
    return results;
  }

  close(): void {
    if (this.#context === 0n) return;
    this.#call('io_destroy', this.#calls.destroy, this.#context);
    this.#context = 0n;
  }

  /** A number below 2^53: bigints would be garbage, three for each read. */
  #setWhole(at: number, value: number): void {
    this.#view.setUint32(at, value % 2 ** 32, true);
    this.#view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
  }

  #submit(count: number): number {
    let taken = 0;
    while (taken < count) {
      const pointers = this.#memory.address + BigInt(this.#pointersAt + taken * POINTER_BYTES);
      const result = libc().syscallAt(this.#calls.submit, this.#context, BigInt(count - taken), pointers, 0n, 0n);
      if (result > 0) taken += result;
      else if (result === 0 || errno() !== EINTR) break;
    }
    return taken;
  }

  #call(name: string, number: number, ...given: bigint[]): number {
    const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n] = given;
    const result = libc().syscallAt(number, a, b, c, d, e);
    if (result < 0) throw systemError(name);
    return result;
  }

  #retried(name: string, number: number, ...given: bigint[]): number {
    for (;;) {
      try {
        return this.#call(name, number, ...given);
      } catch (reason) {
        if ((reason as NodeJS.ErrnoException).code !== 'EINTR') throw reason;
      }
    }
  }
}

/** Room for so many reads at the same time; undefined where the kernel offers none, or no more. */
export const openReadQueue = (depth: number): ReadQueue | undefined => {
  const calls = CALLS[process.arch];
  if (process.platform !== 'linux' || calls === undefined) return undefined;
  try {
    return new KernelReadQueue(depth, calls);
  } catch (reason) {
    if (['ENOSYS', 'EAGAIN', 'EPERM'].includes((reason as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw reason;
  }
};
