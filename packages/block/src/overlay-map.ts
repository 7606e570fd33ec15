/** Where a block of an overlay comes from: the layer below, the overlay's own data, or nowhere because it reads as zeroes. */
export const BLOCK_STATE = { base: 0, data: 1, zero: 2 } as const;
export type BlockState = (typeof BLOCK_STATE)[keyof typeof BLOCK_STATE];

/** Bytes of the map that are written together. */
export const MAP_PAGE = 4096;

/** The state of every block, two bits each: block `b` is bits `2 * (b & 3)` and up of byte `b / 4`. */
export interface OverlayMap {
  /** The bits, a whole number of pages. */
  readonly bytes: Uint8Array;
  get(block: number): BlockState;
  /** Number of blocks from `first` that are in the same state, looking no further than `end` (exclusive). */
  run(first: number, end: number): number;
  /** Sets blocks `first … end` (exclusive); calls `changed` for every page in which that made a difference. */
  set(first: number, end: number, state: BlockState): void;
}

class BitOverlayMap implements OverlayMap {
  readonly bytes: Uint8Array;
  readonly #changed: (page: number) => void;

  constructor(blocks: number, changed: (page: number) => void) {
    this.bytes = new Uint8Array(mapLength(blocks));
    this.#changed = changed;
  }

  get(block: number): BlockState {
    return ((this.bytes[byteOf(block)]! >>> ((block & 3) * 2)) & 3) as BlockState;
  }

  run(first: number, end: number): number {
    const state = this.get(first);
    const same = state * 0b01010101;
    let block = first + 1;
    while (block < end && this.get(block) === state) {
      // Whole bytes at a time where they are alike.
      if ((block & 3) === 0 && block + 4 <= end && this.bytes[byteOf(block)] === same) block += 4;
      else block += 1;
    }
    return block - first;
  }

  set(first: number, end: number, state: BlockState): void {
    let told = -1;
    for (let block = first; block < end; block += 1) {
      if (this.get(block) === state) continue;
      const index = byteOf(block);
      const shift = (block & 3) * 2;
      this.bytes[index] = (this.bytes[index]! & ~(3 << shift)) | (state << shift);
      const page = Math.floor(index / MAP_PAGE);
      if (page === told) continue;
      told = page;
      this.#changed(page);
    }
  }
}

// Not `block >>> 2`: shifts wrap at 2^32 blocks, 16 TiB.
const byteOf = (block: number): number => Math.floor(block / 4);

/** Bytes of a map of so many blocks, padded to whole pages. */
export const mapLength = (blocks: number): number => Math.ceil(blocks / (4 * MAP_PAGE)) * MAP_PAGE;

/** A map with all blocks in the layer below. */
export const createOverlayMap = (blocks: number, changed: (page: number) => void = () => {}): OverlayMap =>
  new BitOverlayMap(blocks, changed);
