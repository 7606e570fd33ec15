import { BLOCK_SIZE, type BlockSet, createSparseBlockSet, type Extent, runExtent } from '@holdfast/block';
import type { DataPart, FramePacker } from '../frames/frame-packer.ts';

/** Blocks are kept side by side in pieces of memory of this many bytes, which all threads see. */
const SLAB_SIZE = 1024 * 1024;
const SLOTS_PER_SLAB = SLAB_SIZE / BLOCK_SIZE;
/** Pieces kept for the next staging: allocating them anew for every cut makes the collector of garbage run all the time. */
const SPARE_SLABS = 17;
const spareSlabs: Uint8Array[] = [];

/** The blocks of one disk that were read for a cut not yet published; a newer read of a block replaces the older one. */
export interface Staging {
  /** Every block staged for this cut, those already handed to the packer included. */
  readonly blocks: BlockSet;
  /** Those of them that could not be read. */
  readonly unreadable: BlockSet;
  /** Those of them of which nothing is sent, because it is known to be there. */
  readonly same: BlockSet;
  /** Bytes of memory the staged data takes. */
  readonly bytes: number;
  /** Takes a copy of `data`, which starts at the block boundary `offset`. */
  put(offset: number, data: Uint8Array): void;
  putZero(extent: Extent): void;
  putUnreadable(extent: Extent): void;
  /** Whole blocks that hold what is known to be there already: nothing is to be sent of them. Those that could not be read are left alone. */
  putSame(extent: Extent): void;
  /**
   * Hands everything held to the packer; resolves when the memory is free. What is staged from the call on wins over it. When it rejects, the packer has
   * failed for good, and what was held is gone.
   */
  flush(packer: FramePacker): Promise<void>;
}

class StagingImpl implements Staging {
  readonly blocks: BlockSet;
  readonly #size: number;
  /** Where the data of a block is, or what stands for it. */
  readonly #slots = new Map<number, number>();
  readonly unreadable: BlockSet;
  readonly same: BlockSet;
  readonly #zero: BlockSet;
  /** Blocks that could not be read and have not been handed to the packer as such. */
  readonly #unreadable: BlockSet;
  #slabs: Uint8Array[] = [];
  #used = 0;

  constructor(size: number) {
    this.#size = size;
    this.blocks = createSparseBlockSet(size);
    this.unreadable = createSparseBlockSet(size);
    this.same = createSparseBlockSet(size);
    this.#zero = createSparseBlockSet(size);
    this.#unreadable = createSparseBlockSet(size);
  }

  get bytes(): number {
    return this.#slabs.length * SLAB_SIZE;
  }

  put(offset: number, data: Uint8Array): void {
    const first = offset / BLOCK_SIZE;
    const count = Math.ceil(data.length / BLOCK_SIZE);
    for (let done = 0; done < count; ) {
      // As many blocks as lie side by side in memory at once.
      const slot = this.#slot(first + done);
      let together = 1;
      while (done + together < count && (slot + together) % SLOTS_PER_SLAB !== 0 && this.#slot(first + done + together) === slot + together)
        together += 1;
      const part = together === count ? data : data.subarray(done * BLOCK_SIZE, (done + together) * BLOCK_SIZE);
      this.#slabOf(slot).set(part, (slot % SLOTS_PER_SLAB) * BLOCK_SIZE);
      done += together;
    }
    this.#mark(first, count);
  }

  putZero(extent: Extent): void {
    this.#putMark(extent, this.#zero);
  }

  putUnreadable(extent: Extent): void {
    this.#putMark(extent, this.#unreadable);
    this.unreadable.addBytes(extent.offset, extent.length);
  }

  putSame({ offset, length }: Extent): void {
    const first = offset / BLOCK_SIZE;
    const end = Math.ceil((offset + length) / BLOCK_SIZE);
    if (this.unreadable.size === 0 && this.#slots.size === 0) {
      this.blocks.addRun(first, end - first);
      this.same.addRun(first, end - first);
      if (this.#zero.size > 0) this.#zero.deleteRun(first, end - first);
      return;
    }
    for (let block = first; block < end; block += 1) {
      if (this.unreadable.has(block)) continue;
      this.blocks.add(block);
      this.same.add(block);
      this.#slots.delete(block);
      this.#zero.delete(block);
    }
  }

  async flush(packer: FramePacker): Promise<void> {
    const parts = this.#parts();
    const slabs = this.#slabs;
    this.#slots.clear();
    this.#slabs = [];
    this.#used = 0;
    // All of it is on its way, in order, before anything else can be staged.
    const added = [packer.addAll(parts)];
    for (const run of this.#zero.runs()) {
      const { offset, length } = runExtent(run, this.#size);
      added.push(packer.addZero(offset, length));
    }
    for (const run of this.#unreadable.runs()) {
      const { offset, length } = runExtent(run, this.#size);
      added.push(packer.addUnreadable(offset, length));
    }
    this.#zero.clear();
    this.#unreadable.clear();
    const outcomes = await Promise.allSettled(added);
    spareSlabs.push(...slabs.splice(0, SPARE_SLABS - spareSlabs.length));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** The data of all blocks, in their order; neighbours on the disk that are neighbours in memory are one part. */
  #parts(): DataPart[] {
    const parts: DataPart[] = [];
    const blocks = Float64Array.from(this.#slots.keys()).sort();
    for (let from = 0; from < blocks.length; ) {
      const first = blocks[from]!;
      const slot = this.#slots.get(first)!;
      let count = 1;
      while (
        blocks[from + count] === first + count &&
        (slot + count) % SLOTS_PER_SLAB !== 0 &&
        this.#slots.get(first + count) === slot + count
      )
        count += 1;
      const { offset, length } = runExtent({ first, count }, this.#size);
      const at = (slot % SLOTS_PER_SLAB) * BLOCK_SIZE;
      parts.push({ offset, data: this.#slabOf(slot).subarray(at, at + length) });
      from += count;
    }
    return parts;
  }

  #slabOf(slot: number): Uint8Array {
    return this.#slabs[Math.floor(slot / SLOTS_PER_SLAB)]!;
  }

  /** Where the block's data goes. */
  #slot(block: number): number {
    let slot = this.#slots.get(block);
    if (slot === undefined) {
      slot = this.#used;
      this.#used += 1;
      this.#slots.set(block, slot);
      if (slot % SLOTS_PER_SLAB === 0) this.#slabs.push(spareSlabs.pop() ?? new Uint8Array(new SharedArrayBuffer(SLAB_SIZE)));
    }
    return slot;
  }

  #mark(first: number, count: number): void {
    this.blocks.addRun(first, count);
    for (const set of [this.same, this.#zero, this.#unreadable, this.unreadable]) if (set.size > 0) set.deleteRun(first, count);
  }

  #putMark(extent: Extent, set: BlockSet): void {
    const first = extent.offset / BLOCK_SIZE;
    const end = Math.ceil((extent.offset + extent.length) / BLOCK_SIZE);
    this.#mark(first, end - first);
    if (this.#slots.size > 0) for (let block = first; block < end; block += 1) this.#slots.delete(block);
    set.addRun(first, end - first);
  }
}

/** Room for the blocks of a disk of `size` bytes. */
export const createStaging = (size: number): Staging => new StagingImpl(size);
