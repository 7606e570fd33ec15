import type { BlockDevice } from './block-device.ts';
import { createDeviceGuard, type DeviceGuard } from './device-guard.ts';
import { type Extent, mergeExtents } from './extent.ts';

const CHUNK = 64 * 1024;

class MemoryDevice implements BlockDevice {
  readonly size: number;
  readonly readOnly = false;
  readonly #guard: DeviceGuard;
  readonly #chunks = new Map<number, Uint8Array>();

  constructor(size: number) {
    this.size = size;
    this.#guard = createDeviceGuard({ name: 'memory device', size, readOnly: false });
  }

  read(offset: number, target: Uint8Array): Promise<void> {
    return this.#guard.read(offset, target.length, async () => {
      for (const { chunk, within, from, length } of pieces(offset, target.length)) {
        const bytes = this.#chunks.get(chunk);
        if (bytes === undefined) target.fill(0, from, from + length);
        else target.set(bytes.subarray(within, within + length), from);
      }
    });
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    return this.#guard.write(offset, data.length, async () => {
      for (const { chunk, within, from, length } of pieces(offset, data.length)) {
        let bytes = this.#chunks.get(chunk);
        if (bytes === undefined) {
          bytes = new Uint8Array(CHUNK);
          this.#chunks.set(chunk, bytes);
        }
        bytes.set(data.subarray(from, from + length), within);
      }
    });
  }

  zero(offset: number, length: number): Promise<void> {
    return this.#guard.write(offset, length, async () => {
      for (const piece of pieces(offset, length)) {
        if (piece.length === CHUNK) this.#chunks.delete(piece.chunk);
        else this.#chunks.get(piece.chunk)?.fill(0, piece.within, piece.within + piece.length);
      }
    });
  }

  flush(): Promise<void> {
    return this.#guard.read(0, 0, async () => {});
  }

  allocated(offset: number, length: number): Promise<Extent[]> {
    return this.#guard.read(offset, length, async () => {
      const extents: Extent[] = [];
      for (const piece of pieces(offset, length)) {
        if (this.#chunks.has(piece.chunk)) extents.push({ offset: offset + piece.from, length: piece.length });
      }
      return mergeExtents(extents);
    });
  }

  close(): Promise<void> {
    return this.#guard.close(async () => this.#chunks.clear());
  }
}

/** Cuts a range at the boundaries of chunks. */
function* pieces(offset: number, length: number): IterableIterator<{ chunk: number; within: number; from: number; length: number }> {
  for (let from = 0; from < length; ) {
    const chunk = Math.floor((offset + from) / CHUNK);
    const within = offset + from - chunk * CHUNK;
    const part = Math.min(CHUNK - within, length - from);
    yield { chunk, within, from, length: part };
    from += part;
  }
}

/** A device of `size` zero bytes in memory. It takes room only for what is written, 64 KiB at a time. */
export const createMemoryDevice = (size: number): BlockDevice => new MemoryDevice(size);
