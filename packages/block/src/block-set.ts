import type { Extent } from './extent.ts';
import { BLOCK_SIZE, blockCount } from './geometry.ts';

/** A set of blocks of one disk, one bit a block. */
export interface BlockSet {
  /** Number of blocks the disk has. */
  readonly blocks: number;
  /** Number of blocks in the set, O(1). */
  readonly size: number;
  has(block: number): boolean;
  add(block: number): void;
  delete(block: number): void;
  /** The same for `count` blocks from `first` on, all of them blocks of the disk. */
  addRun(first: number, count: number): void;
  deleteRun(first: number, count: number): void;
  /** Adds every block that a range of bytes touches; what lies behind the disk's end is ignored. */
  addBytes(offset: number, length: number): void;
  /** Runs of neighbouring blocks in ascending order, none longer than `limit` blocks. */
  runs(limit?: number): IterableIterator<BlockRun>;
  clear(): void;
}

export interface BlockRun {
  readonly first: number;
  readonly count: number;
}

/** The bytes of a run on a disk of `size` bytes. */
export const runExtent = (run: BlockRun, size: number): Extent => {
  const offset = run.first * BLOCK_SIZE;
  return { offset, length: Math.min(run.count * BLOCK_SIZE, size - offset) };
};

class BitmapBlockSet implements BlockSet {
  readonly blocks: number;
  readonly #words: Uint32Array;
  #size = 0;

  constructor(blocks: number) {
    this.blocks = blocks;
    this.#words = new Uint32Array(Math.ceil(blocks / 32));
  }

  get size(): number {
    return this.#size;
  }

  has(block: number): boolean {
    return ((this.#words[block >>> 5]! >>> (block & 31)) & 1) === 1;
  }

  add(block: number): void {
    const word = this.#words[block >>> 5]!;
    const bit = 1 << (block & 31);
    if ((word & bit) !== 0) return;
    this.#words[block >>> 5] = word | bit;
    this.#size += 1;
  }

  delete(block: number): void {
    const word = this.#words[block >>> 5]!;
    const bit = 1 << (block & 31);
    if ((word & bit) === 0) return;
    this.#words[block >>> 5] = word & ~bit;
    this.#size -= 1;
  }

  addRun(first: number, count: number): void {
    this.#eachWord(first, count, (word, mask) => word | mask);
  }

  deleteRun(first: number, count: number): void {
    this.#eachWord(first, count, (word, mask) => word & ~mask);
  }

  addBytes(offset: number, length: number): void {
    if (length <= 0) return;
    const first = Math.floor(offset / BLOCK_SIZE);
    const last = Math.min(Math.floor((offset + length - 1) / BLOCK_SIZE), this.blocks - 1);
    if (first <= last) this.addRun(first, last - first + 1);
  }

  *runs(limit = Number.POSITIVE_INFINITY): IterableIterator<BlockRun> {
    let first = -1;
    let count = 0;
    const words = this.#words;
    for (let index = 0; index < words.length; index += 1) {
      const word = words[index]!;
      if (word === 0 && count === 0) continue;
      for (let bit = 0; bit < 32; bit += 1) {
        if (((word >>> bit) & 1) === 1) {
          if (count === 0) first = index * 32 + bit;
          count += 1;
          if (count < limit) continue;
        } else if (count === 0) continue;
        yield { first, count };
        count = 0;
      }
    }
    if (count > 0) yield { first, count };
  }

  clear(): void {
    this.#words.fill(0);
    this.#size = 0;
  }

  /** Changes the words a run lies in; `mask` has its bits. */
  #eachWord(first: number, count: number, change: (word: number, mask: number) => number): void {
    const end = first + count;
    for (let block = first; block < end; ) {
      const index = block >>> 5;
      const from = block & 31;
      const bits = Math.min(32 - from, end - block);
      const mask = (bits === 32 ? -1 : (1 << bits) - 1) << from;
      const before = this.#words[index]!;
      const after = change(before, mask) >>> 0;
      if (after !== before) {
        this.#words[index] = after;
        this.#size += popCount(after) - popCount(before);
      }
      block += bits;
    }
  }
}

/** Bits of a word of 32 that are set. */
export const popCount = (word: number): number => {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
};

/** A block set for a disk of `size` bytes that takes a bit for each of its blocks: for small ones. */
export const createBlockSet = (size: number): BlockSet => new BitmapBlockSet(blockCount(size));
