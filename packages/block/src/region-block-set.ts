import type { BlockRun, BlockSet } from './block-set.ts';
import { BLOCK_SIZE } from './geometry.ts';
import { countBits, isUniform, LEAF_WORDS, nextBit, REGION_BLOCKS, setBits } from './leaf-bits.ts';

/** What the table of a set has for a region: that it has none of the blocks, or all of them; any other number is that of its leaf, counted from 1. */
export const REGION = { none: 0, all: 0xffff_ffff } as const;

/** What is known of each region of a disk. */
export interface RegionTable {
  get(region: number): number;
  set(region: number, value: number): void;
  /** Regions that are not `none`, in ascending order, as they are now. */
  regions(): Iterable<number>;
}

/** Memory for leaves, piece by piece; what is in a new one does not matter. */
export interface LeafMemory {
  /** Leaves of a piece: a power of two. */
  readonly perPiece: number;
  readonly pieces: readonly Uint32Array[];
  /** Adds a piece; false where there is no more memory. */
  grow(): boolean;
  /** Keeps only the first so many pieces. */
  shrink(pieces: number): void;
}

/** Pieces below which none is given back. */
const KEPT = 4;

/**
 * A set in two levels, whose memory grows with what is in it: a leaf for each region of which it has some of the blocks and not all. Where there is no
 * memory for a leaf any more the set has all blocks of the region: too many, never too few.
 *
 * Whoever looks at table and memory between any two stores finds every block that stays in the set: a leaf is filled before the table names it, and is free
 * when the table does not name it any more.
 */
class RegionBlockSet implements BlockSet {
  readonly blocks: number;
  readonly #table: RegionTable;
  readonly #memory: LeafMemory;
  readonly #shift: number;
  #size = 0;
  /** Leaves in use, those that no longer are, and from which on none ever was. */
  #used = 0;
  #free: number[] = [];
  #fresh = 0;

  constructor(blocks: number, table: RegionTable, memory: LeafMemory) {
    this.blocks = blocks;
    this.#table = table;
    this.#memory = memory;
    this.#shift = Math.log2(memory.perPiece);
    this.#takeOver();
  }

  get size(): number {
    return this.#size;
  }

  has(block: number): boolean {
    const value = this.#table.get(Math.floor(block / REGION_BLOCKS));
    // A last region of which the set has all blocks has none behind the end of the disk.
    if (value === REGION.none || value === REGION.all) return value === REGION.all && block < this.blocks;
    const at = block % REGION_BLOCKS;
    return ((this.#piece(value - 1)[this.#wordOf(value - 1) + (at >>> 5)]! >>> (at & 31)) & 1) === 1;
  }

  add(block: number): void {
    this.#change(Math.floor(block / REGION_BLOCKS), block % REGION_BLOCKS, 1, true);
  }

  delete(block: number): void {
    this.#change(Math.floor(block / REGION_BLOCKS), block % REGION_BLOCKS, 1, false);
  }

  addRun(first: number, count: number): void {
    this.#changeRun(first, count, true);
  }

  deleteRun(first: number, count: number): void {
    if (this.#size > 0) this.#changeRun(first, count, false);
  }

  addBytes(offset: number, length: number): void {
    if (length <= 0) return;
    const first = Math.floor(offset / BLOCK_SIZE);
    const last = Math.min(Math.floor((offset + length - 1) / BLOCK_SIZE), this.blocks - 1);
    if (first <= last) this.addRun(first, last - first + 1);
  }

  *runs(limit = Number.POSITIVE_INFINITY): IterableIterator<BlockRun> {
    let first = 0;
    let count = 0;
    for (const region of this.#table.regions()) {
      const value = this.#table.get(region);
      const start = region * REGION_BLOCKS;
      for (let at = 0; value !== REGION.none && at < REGION_BLOCKS; ) {
        const from = value === REGION.all ? 0 : nextBit(this.#piece(value - 1), this.#wordOf(value - 1), at, true);
        const end = value === REGION.all ? this.#room(region) : nextBit(this.#piece(value - 1), this.#wordOf(value - 1), from, false);
        if (start + from !== first + count) {
          if (count > limit) yield* split(first, count, limit);
          else if (count > 0) yield { first, count };
          first = start + from;
          count = 0;
        }
        count += end - from;
        at = value === REGION.all ? REGION_BLOCKS : end;
      }
    }
    yield* split(first, count, limit);
  }

  clear(): void {
    for (const region of this.#table.regions()) this.#table.set(region, REGION.none);
    this.#size = 0;
    this.#used = 0;
    this.#free = [];
    this.#fresh = 0;
    this.#memory.shrink(0);
  }

  /** Finds out about what is there already. A leaf that two regions have, or that is not there, is damage: then the region counts as in the set. */
  #takeOver(): void {
    const { pieces, perPiece } = this.#memory;
    const taken = new Uint8Array(pieces.length * perPiece);
    for (const region of this.#table.regions()) {
      const value = this.#table.get(region);
      const leaf = value - 1;
      if (value === REGION.all || taken[leaf] !== 0) {
        this.#table.set(region, REGION.all);
        this.#size += this.#room(region);
        continue;
      }
      const count = countBits(this.#piece(leaf), this.#wordOf(leaf));
      if (count === 0) this.#table.set(region, REGION.none);
      else {
        taken[leaf] = 1;
        this.#used += 1;
        this.#size += count;
      }
    }
    this.#fresh = taken.length;
    for (let leaf = taken.length - 1; leaf >= 0; leaf -= 1) if (taken[leaf] === 0) this.#free.push(leaf);
  }

  /** Blocks of a region: the last one may have less than others. */
  #room(region: number): number {
    return Math.min(REGION_BLOCKS, this.blocks - region * REGION_BLOCKS);
  }

  #changeRun(first: number, count: number, isIn: boolean): void {
    for (let block = first; block < first + count; ) {
      const at = block % REGION_BLOCKS;
      const part = Math.min(REGION_BLOCKS - at, first + count - block);
      this.#change(Math.floor(block / REGION_BLOCKS), at, part, isIn);
      block += part;
    }
  }

  #change(region: number, at: number, count: number, isIn: boolean): void {
    const value = this.#table.get(region);
    if (value === (isIn ? REGION.all : REGION.none)) return;
    const room = this.#room(region);
    const whole = isIn ? REGION.all : REGION.none;
    if (value === REGION.none || value === REGION.all) {
      if (count === room) {
        this.#table.set(region, whole);
        this.#size += isIn ? room : -room;
      } else this.#begin(region, at, count, isIn);
      return;
    }
    const leaf = value - 1;
    if (count < room) {
      this.#size += setBits(this.#piece(leaf), this.#wordOf(leaf), at, count, isIn);
      if (!isUniform(this.#piece(leaf), this.#wordOf(leaf), room, isIn)) return;
    } else this.#size += (isIn ? room : 0) - countBits(this.#piece(leaf), this.#wordOf(leaf));
    this.#table.set(region, whole);
    this.#release(leaf);
  }

  /** Some blocks of a region change of which the set has none or all. */
  #begin(region: number, at: number, count: number, isIn: boolean): void {
    const leaf = this.#take();
    if (leaf === undefined) {
      if (!isIn) return;
      this.#table.set(region, REGION.all);
      this.#size += this.#room(region);
      return;
    }
    const [words, first] = [this.#piece(leaf), this.#wordOf(leaf)];
    words.fill(0, first, first + LEAF_WORDS);
    if (!isIn) setBits(words, first, 0, this.#room(region), true);
    this.#size += setBits(words, first, at, count, isIn);
    this.#table.set(region, leaf + 1);
  }

  #take(): number | undefined {
    if (this.#free.length === 0 && this.#fresh === this.#memory.pieces.length * this.#memory.perPiece && !this.#memory.grow())
      return undefined;
    this.#used += 1;
    const free = this.#free.pop();
    if (free !== undefined) return free;
    this.#fresh += 1;
    return this.#fresh - 1;
  }

  #release(leaf: number): void {
    this.#free.push(leaf);
    this.#used -= 1;
    const { pieces, perPiece } = this.#memory;
    if (pieces.length > KEPT && this.#used * 4 < pieces.length * perPiece) this.#compact();
  }

  /** Moves the leaves into the first half of the memory and gives the other one back. */
  #compact(): void {
    const { pieces, perPiece } = this.#memory;
    const kept = pieces.length >>> 1;
    const end = kept * perPiece;
    const free = this.#free.filter((leaf) => leaf < end);
    for (; this.#fresh < end; this.#fresh += 1) free.push(this.#fresh);
    for (const region of this.#table.regions()) {
      const value = this.#table.get(region);
      if (value === REGION.all || value <= end) continue;
      const to = free.pop()!;
      const from = this.#wordOf(value - 1);
      this.#piece(to).set(this.#piece(value - 1).subarray(from, from + LEAF_WORDS), this.#wordOf(to));
      this.#table.set(region, to + 1);
    }
    this.#free = free;
    this.#fresh = end;
    this.#memory.shrink(kept);
  }

  #piece(leaf: number): Uint32Array {
    return this.#memory.pieces[leaf >>> this.#shift]!;
  }

  #wordOf(leaf: number): number {
    return (leaf & (this.#memory.perPiece - 1)) * LEAF_WORDS;
  }
}

function* split(first: number, count: number, limit: number): Generator<BlockRun> {
  for (let done = 0; done < count; done += limit) yield { first: first + done, count: Math.min(limit, count - done) };
}

/** A set of the blocks of a disk that has so many, with what table and memory, nobody else's, hold already. */
export const createRegionBlockSet = (blocks: number, table: RegionTable, memory: LeafMemory): BlockSet =>
  new RegionBlockSet(blocks, table, memory);
