import type { BlockRun, BlockSet } from './block-set.ts';
import { createBlockSet } from './block-set.ts';
import { BLOCK_SIZE, blockCount } from './geometry.ts';

/** Blocks of one chunk: 128 MiB of disk, 4 KiB of bits. */
const CHUNK_BLOCKS = 32_768;

class SparseBlockSet implements BlockSet {
  readonly blocks: number;
  #chunks = new Map<number, BlockSet>();
  #size = 0;

  constructor(blocks: number) {
    this.blocks = blocks;
  }

  get size(): number {
    return this.#size;
  }

  has(block: number): boolean {
    return this.#chunks.get(Math.floor(block / CHUNK_BLOCKS))?.has(block % CHUNK_BLOCKS) ?? false;
  }

  add(block: number): void {
    const chunk = this.#chunk(Math.floor(block / CHUNK_BLOCKS));
    const before = chunk.size;
    chunk.add(block % CHUNK_BLOCKS);
    this.#size += chunk.size - before;
  }

  delete(block: number): void {
    const chunk = this.#chunks.get(Math.floor(block / CHUNK_BLOCKS));
    if (chunk === undefined) return;
    const before = chunk.size;
    chunk.delete(block % CHUNK_BLOCKS);
    this.#size += chunk.size - before;
  }

  addRun(first: number, count: number): void {
    for (let block = first; block < first + count; ) {
      const { index, at, part } = partOf(block, first + count);
      const chunk = this.#chunk(index);
      const before = chunk.size;
      chunk.addRun(at, part);
      this.#size += chunk.size - before;
      block += part;
    }
  }

  deleteRun(first: number, count: number): void {
    for (let block = first; this.#size > 0 && block < first + count; ) {
      const { index, at, part } = partOf(block, first + count);
      const chunk = this.#chunks.get(index);
      const before = chunk?.size ?? 0;
      chunk?.deleteRun(at, part);
      this.#size += (chunk?.size ?? 0) - before;
      block += part;
    }
  }

  addBytes(offset: number, length: number): void {
    if (length <= 0) return;
    const first = Math.floor(offset / BLOCK_SIZE);
    const last = Math.min(Math.floor((offset + length - 1) / BLOCK_SIZE), this.blocks - 1);
    if (first <= last) this.addRun(first, last - first + 1);
  }

  *runs(limit = Number.POSITIVE_INFINITY): IterableIterator<BlockRun> {
    let pending: { first: number; count: number } | undefined;
    for (const index of [...this.#chunks.keys()].sort((a, b) => a - b)) {
      for (const run of this.#chunks.get(index)!.runs()) {
        const first = index * CHUNK_BLOCKS + run.first;
        if (pending !== undefined && pending.first + pending.count === first) pending.count += run.count;
        else {
          if (pending !== undefined) yield* split(pending, limit);
          pending = { first, count: run.count };
        }
      }
    }
    if (pending !== undefined) yield* split(pending, limit);
  }

  clear(): void {
    this.#chunks = new Map();
    this.#size = 0;
  }

  #chunk(index: number): BlockSet {
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      chunk = createBlockSet(CHUNK_BLOCKS * BLOCK_SIZE);
      this.#chunks.set(index, chunk);
    }
    return chunk;
  }
}

/** Where a run that begins at `block` and ends before `end` lies, as far as one chunk goes. */
const partOf = (block: number, end: number): { readonly index: number; readonly at: number; readonly part: number } => {
  const at = block % CHUNK_BLOCKS;
  return { index: Math.floor(block / CHUNK_BLOCKS), at, part: Math.min(CHUNK_BLOCKS - at, end - block) };
};

function* split(run: BlockRun, limit: number): IterableIterator<BlockRun> {
  for (let done = 0; done < run.count; done += limit) yield { first: run.first + done, count: Math.min(limit, run.count - done) };
}

/** A block set for a disk of `size` bytes whose memory grows with what is in it: for the few blocks that changed on a large disk. */
export const createSparseBlockSet = (size: number): BlockSet => new SparseBlockSet(blockCount(size));
