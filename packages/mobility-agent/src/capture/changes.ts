import { BLOCK_SIZE, type BlockSet, createSparseBlockSet } from '@holdfast/block';
import { addAll, blocksOf } from './ranges.ts';

/**
 * What completed writes changed on one disk and nobody has read yet, in two parts: *now* is what belongs to the cut being made, *later*
 * what happened after its instant. A discarded block is not worth reading, for nobody can expect anything of it: it is a zero in the vault.
 * But a block that was written too, before or meanwhile, is read.
 */
export interface Changes {
  /** Blocks to be read, and blocks to be taken for zeroes. */
  readonly now: ChangedBlocks;
  readonly later: ChangedBlocks;
  /** A write completed; `late` if it is not part of the cut being made. */
  written(offset: number, length: number, late: boolean): void;
  /** A discard completed. `inDoubt`: blocks that were read while it was in flight, so that what they were read for may be newer. */
  discarded(offset: number, length: number, late: boolean, inDoubt: (block: number) => boolean): void;
  /** A new instant: all that happened until now belongs to it. */
  advance(): void;
  /** Takes out what belongs to the cut, of the zeroes `zeroLimit` blocks at most: the others may as well belong to a later one. */
  take(zeroLimit: number): ChangedBlocks;
  /** Puts back what was taken. */
  putBack(blocks: ChangedBlocks): void;
  /** Blocks were read otherwise, for this cut. */
  settle(first: number, count: number): void;
  /** The disk has `size` bytes now. */
  grow(size: number): void;
}

export interface ChangedBlocks {
  readonly read: BlockSet;
  readonly zero: BlockSet;
}

const empty = (size: number): ChangedBlocks => ({ read: createSparseBlockSet(size), zero: createSparseBlockSet(size) });

class ChangesImpl implements Changes {
  now: ChangedBlocks;
  later: ChangedBlocks;
  #size: number;

  constructor(size: number) {
    this.#size = size;
    this.now = empty(size);
    this.later = empty(size);
  }

  written(offset: number, length: number, late: boolean): void {
    const { read, zero } = late ? this.later : this.now;
    read.addBytes(offset, length);
    if (zero.size > 0) for (const block of blocksOf(offset, length)) zero.delete(block);
  }

  discarded(offset: number, length: number, late: boolean, inDoubt: (block: number) => boolean): void {
    const end = offset + length;
    const first = Math.ceil(offset / BLOCK_SIZE) * BLOCK_SIZE;
    const last = end >= this.#size ? end : Math.floor(end / BLOCK_SIZE) * BLOCK_SIZE;
    if (first >= last) {
      this.written(offset, length, late);
      return;
    }
    this.written(offset, first - offset, late);
    this.written(last, end - last, late);
    const { read, zero } = late ? this.later : this.now;
    for (const block of blocksOf(first, Math.min(last, this.#size) - first)) {
      if (read.has(block)) continue;
      // What is still to be read for this cut may be read while it is discarded, as what was read may have been.
      if ((late && this.now.read.has(block)) || inDoubt(block)) {
        read.add(block);
        zero.delete(block);
      } else zero.add(block);
    }
  }

  advance(): void {
    const { now, later } = this;
    if (now.read.size === 0 && now.zero.size === 0) {
      [this.now, this.later] = [later, now];
      return;
    }
    if (now.zero.size > 0) remove(now.zero, later.read);
    addAll(now.read, later.read);
    if (later.zero.size > 0) {
      addAll(now.zero, later.zero);
      remove(now.zero, now.read);
    }
    later.read.clear();
    later.zero.clear();
  }

  take(zeroLimit: number): ChangedBlocks {
    const { read, zero } = this.now;
    this.now = empty(this.#size);
    if (zero.size <= zeroLimit) return { read, zero };
    const taken = createSparseBlockSet(this.#size);
    for (const { first, count } of zero.runs()) {
      for (let block = first; block < first + count && taken.size < zeroLimit; block += 1) taken.add(block);
      if (taken.size === zeroLimit) break;
    }
    remove(zero, taken);
    this.now = { read: this.now.read, zero };
    return { read, zero: taken };
  }

  putBack({ read, zero }: ChangedBlocks): void {
    addAll(this.now.read, read);
    addAll(this.now.zero, zero);
    if (this.now.zero.size > 0) remove(this.now.zero, this.now.read);
  }

  settle(first: number, count: number): void {
    this.now.read.deleteRun(first, count);
    this.now.zero.deleteRun(first, count);
  }

  grow(size: number): void {
    this.#size = size;
    const enlarge = ({ read, zero }: ChangedBlocks): ChangedBlocks => {
      const larger = empty(size);
      addAll(larger.read, read);
      addAll(larger.zero, zero);
      return larger;
    };
    this.now = enlarge(this.now);
    this.later = enlarge(this.later);
  }
}

const remove = (from: BlockSet, what: BlockSet): void => {
  for (const { first, count } of what.runs()) for (let block = first; block < first + count; block += 1) from.delete(block);
};

/** No changes of a disk of `size` bytes. */
export const createChanges = (size: number): Changes => new ChangesImpl(size);
