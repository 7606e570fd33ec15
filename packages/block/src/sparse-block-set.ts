import type { BlockSet } from './block-set.ts';
import { blockCount } from './geometry.ts';
import { LEAF_WORDS } from './leaf-bits.ts';
import { createRegionBlockSet, type LeafMemory, REGION, type RegionTable } from './region-block-set.ts';

/** Leaves that memory is taken for at a time: 4 KiB. */
const PER_PIECE = 32;

class HashedTable implements RegionTable {
  readonly #values = new Map<number, number>();

  get(region: number): number {
    return this.#values.get(region) ?? REGION.none;
  }

  set(region: number, value: number): void {
    if (value === REGION.none) this.#values.delete(region);
    else this.#values.set(region, value);
  }

  regions(): Iterable<number> {
    return Float64Array.from(this.#values.keys()).sort();
  }
}

const createLeaves = (): LeafMemory => {
  const pieces: Uint32Array[] = [];
  return {
    perPiece: PER_PIECE,
    pieces,
    grow: () => pieces.push(new Uint32Array(PER_PIECE * LEAF_WORDS)) > 0,
    shrink: (count) => void pieces.splice(count),
  };
};

/** A block set for a disk of `size` bytes whose memory grows with what is in it: for the few blocks that changed on a large disk. */
export const createSparseBlockSet = (size: number): BlockSet => createRegionBlockSet(blockCount(size), new HashedTable(), createLeaves());
