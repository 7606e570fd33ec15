/** Memory for one request's data. Give it back only when nobody can touch it any more: after an error that isn't known. */
export interface PooledBuffer {
  readonly bytes: Buffer;
  release(): void;
}

/**
 * Large buffers that are used again: the first touch of fresh memory costs as much as reading or writing the data itself. Threads see them, so that a
 * device may let some fill them.
 */
export interface BufferPool {
  take(length: number): PooledBuffer;
}

/** Smaller ones are cheaper to make than to keep; larger ones come in multiples of this. */
const STEP = 64 * 1024;

class SteppedPool implements BufferPool {
  readonly #limit: number;
  readonly #free = new Map<number, Buffer[]>();
  #kept = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  take(length: number): PooledBuffer {
    if (length < STEP) return { bytes: Buffer.allocUnsafe(length), release: () => {} };
    const size = Math.ceil(length / STEP) * STEP;
    const free = this.#free.get(size)?.pop();
    if (free !== undefined) this.#kept -= size;
    const whole = free ?? Buffer.from(new SharedArrayBuffer(size));
    return { bytes: whole.subarray(0, length), release: () => this.#keep(whole) };
  }

  #keep(whole: Buffer): void {
    if (this.#kept + whole.length > this.#limit) return;
    this.#kept += whole.length;
    const free = this.#free.get(whole.length);
    if (free === undefined) this.#free.set(whole.length, [whole]);
    else free.push(whole);
  }
}

/** Keeps up to `limit` bytes for later. */
export const createBufferPool = (limit: number): BufferPool => new SteppedPool(limit);
