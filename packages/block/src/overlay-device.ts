import type { BlockDevice } from './block-device.ts';
import { createDeviceGuard, type DeviceGuard } from './device-guard.ts';
import { type Extent, mergeExtents } from './extent.ts';
import { BLOCK_SIZE } from './geometry.ts';
import type { OverlayKeeper } from './overlay-keeper.ts';
import { BLOCK_STATE, type BlockState } from './overlay-map.ts';
import { createRangeLock } from './range-lock.ts';

/** What an overlay is made of. */
export interface OverlayParts {
  /** What errors call it. */
  readonly name: string;
  /** The layer below; never written. */
  readonly base: BlockDevice;
  /** Holds the overlay's own blocks, block `b` at `dataAt + b * 4096`. */
  readonly file: BlockDevice;
  readonly dataAt: number;
  readonly keeper: OverlayKeeper;
  /** Called last, when `file` is closed: lets it go, or removes it. */
  readonly release: (end: 'keep' | 'discard') => Promise<void>;
}

/** A writable device over a base that stays as it is. */
export interface Overlay extends BlockDevice {
  /** Closes it and throws away all that was written to it. */
  discard(): Promise<void>;
}

class OverlayDevice implements Overlay {
  readonly size: number;
  readonly readOnly = false;
  readonly #parts: OverlayParts;
  readonly #guard: DeviceGuard;
  // Writers of one block take turns: a write of a part of it reads the rest first.
  readonly #writers = createRangeLock();

  constructor(parts: OverlayParts) {
    this.#parts = parts;
    this.size = parts.base.size;
    this.#guard = createDeviceGuard({ name: parts.name, size: this.size, readOnly: false });
  }

  read(offset: number, target: Uint8Array): Promise<void> {
    return this.#guard.read(offset, target.length, () => this.#read(offset, target));
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    return this.#guard.write(offset, data.length, async () => {
      if (data.length === 0) return;
      const { first, end } = touched(offset, data.length);
      await this.#writers.run(first, end - 1, () => this.#write(offset, data, first, end));
    });
  }

  zero(offset: number, length: number): Promise<void> {
    return this.#guard.write(offset, length, async () => {
      if (length === 0) return;
      const { first, end } = touched(offset, length);
      await this.#writers.run(first, end - 1, () => this.#zero(offset, length, first, end));
    });
  }

  flush(): Promise<void> {
    return this.#guard.read(0, 0, () => this.#parts.keeper.flush());
  }

  allocated(offset: number, length: number): Promise<Extent[]> {
    return this.#guard.read(offset, length, async () => {
      const extents: Extent[] = [];
      for (const run of this.#runs(offset, length)) {
        if (run.state === BLOCK_STATE.data) extents.push(run);
        else if (run.state === BLOCK_STATE.base) extents.push(...(await this.#parts.base.allocated(run.offset, run.length)));
      }
      return mergeExtents(extents);
    });
  }

  close(): Promise<void> {
    return this.#guard.close(() => this.#parts.keeper.flush().finally(() => this.#release('keep')));
  }

  discard(): Promise<void> {
    return this.#guard.close(() => this.#release('discard'));
  }

  #release(end: 'keep' | 'discard'): Promise<void> {
    return this.#parts.file.close().finally(() => this.#parts.release(end));
  }

  async #read(offset: number, target: Uint8Array): Promise<void> {
    const { base, file, dataAt } = this.#parts;
    const parts: Promise<void>[] = [];
    for (const run of this.#runs(offset, target.length)) {
      const part = target.subarray(run.offset - offset, run.offset - offset + run.length);
      if (run.state === BLOCK_STATE.data) parts.push(file.read(dataAt + run.offset, part));
      else if (run.state === BLOCK_STATE.base) parts.push(base.read(run.offset, part));
      else part.fill(0);
    }
    await Promise.all(parts);
  }

  async #write(offset: number, data: Uint8Array, first: number, end: number): Promise<void> {
    const { file, dataAt, keeper } = this.#parts;
    const whole = await this.#widen(offset, data, first, end);
    await file.write(dataAt + whole.offset, whole.data);
    keeper.map.set(first, end, BLOCK_STATE.data);
    await keeper.publish();
  }

  /** Completes blocks of which `data` covers a part and of which the overlay has nothing yet. */
  async #widen(offset: number, data: Uint8Array, first: number, end: number): Promise<{ offset: number; data: Uint8Array }> {
    const { map } = this.#parts.keeper;
    const stop = offset + data.length;
    const from = map.get(first) === BLOCK_STATE.data ? offset : first * BLOCK_SIZE;
    const to = map.get(end - 1) === BLOCK_STATE.data ? stop : Math.min(end * BLOCK_SIZE, this.size);
    if (from === offset && to === stop) return { offset, data };
    const whole = new Uint8Array(to - from);
    whole.set(data, offset - from);
    await this.#read(from, whole.subarray(0, offset - from));
    await this.#read(stop, whole.subarray(stop - from));
    return { offset: from, data: whole };
  }

  async #zero(offset: number, length: number, first: number, end: number): Promise<void> {
    const { file, dataAt, keeper } = this.#parts;
    const stop = offset + length;
    // The last block of the disk may be short; zeroing all of it is zeroing a whole block.
    const wholeFirst = Math.ceil(offset / BLOCK_SIZE);
    const wholeEnd = stop === this.size ? end : Math.floor(stop / BLOCK_SIZE);
    if (wholeFirst >= wholeEnd) return this.#write(offset, new Uint8Array(length), first, end);
    if (wholeFirst > first) await this.#write(offset, new Uint8Array(wholeFirst * BLOCK_SIZE - offset), first, first + 1);
    if (wholeEnd < end) await this.#write(wholeEnd * BLOCK_SIZE, new Uint8Array(stop - wholeEnd * BLOCK_SIZE), end - 1, end);
    const own = [...this.#runs(wholeFirst * BLOCK_SIZE, Math.min(wholeEnd * BLOCK_SIZE, this.size) - wholeFirst * BLOCK_SIZE)];
    keeper.map.set(wholeFirst, wholeEnd, BLOCK_STATE.zero);
    await keeper.publish();
    // Nobody reads these bytes any more; long runs give their room back.
    for (const run of own) {
      if (run.state === BLOCK_STATE.data && run.length >= WORTH_FREEING) await file.zero(dataAt + run.offset, run.length);
    }
  }

  /** The range in runs of blocks of one state. */
  *#runs(offset: number, length: number): IterableIterator<Extent & { state: BlockState }> {
    if (length === 0) return;
    const { map } = this.#parts.keeper;
    const { first, end } = touched(offset, length);
    for (let block = first; block < end; ) {
      const state = map.get(block);
      const count = map.run(block, end);
      const from = Math.max(offset, block * BLOCK_SIZE);
      const to = Math.min(offset + length, (block + count) * BLOCK_SIZE);
      yield { offset: from, length: to - from, state };
      block += count;
    }
  }
}

const WORTH_FREEING = 1024 * 1024;

/** Blocks that a range of at least one byte touches, `end` exclusive. */
const touched = (offset: number, length: number): { first: number; end: number } => ({
  first: Math.floor(offset / BLOCK_SIZE),
  end: Math.floor((offset + length - 1) / BLOCK_SIZE) + 1,
});

/** Puts an overlay together; `createOverlay` is what to use. Closing it flushes and closes `file`, never `base`. */
export const assembleOverlay = (parts: OverlayParts): Overlay => new OverlayDevice(parts);
