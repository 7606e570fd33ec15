import {
  type BlockSet,
  blockCount,
  createRegionBlockSet,
  LEAF_WORDS,
  type LeafMemory,
  REGION,
  REGION_BLOCKS,
  type RegionTable,
} from '@holdfast/block';
import type { MemoryFolder } from './memory-file.ts';

/** Leaves that memory is taken for at a time: 64 KiB. */
const PER_PIECE = 512;
const PIECE_BYTES = PER_PIECE * LEAF_WORDS * 4;

const tableOf = (disk: number): string => `dirty-${disk}`;
const leavesOf = (disk: number): string => `leaves-${disk}`;
const tableBytes = (size: number): number => Math.ceil(blockCount(size) / REGION_BLOCKS) * 4;

class MappedTable implements RegionTable {
  readonly #words: Uint32Array;

  constructor(bytes: Uint8Array) {
    this.#words = new Uint32Array(bytes.buffer);
  }

  get(region: number): number {
    return this.#words[region] ?? REGION.none;
  }

  set(region: number, value: number): void {
    // Atomics keeps the compiler from moving the stores to a leaf behind it, or those to one that is free from now on before it.
    Atomics.store(this.#words, region, value);
  }

  *regions(): Iterable<number> {
    for (let region = 0; region < this.#words.length; region += 1) if (this.#words[region] !== REGION.none) yield region;
  }
}

class MappedLeaves implements LeafMemory {
  readonly perPiece = PER_PIECE;
  readonly pieces: Uint32Array[] = [];
  readonly #folder: MemoryFolder;
  readonly #name: string;

  constructor(folder: MemoryFolder, name: string) {
    this.#folder = folder;
    this.#name = name;
    for (let left = folder.sizeOf(name); left >= PIECE_BYTES; left -= PIECE_BYTES) this.#map();
  }

  grow(): boolean {
    try {
      this.#map();
      return true;
    } catch {
      // The tmpfs is full, or no more may be locked.
      return false;
    }
  }

  shrink(count: number): void {
    this.pieces.splice(count);
    this.#folder.shorten(this.#name, count * PIECE_BYTES);
  }

  #map(): void {
    const { bytes } = this.#folder.mapPiece(this.#name, this.pieces.length * PIECE_BYTES, PIECE_BYTES);
    this.pieces.push(new Uint32Array(bytes.buffer));
  }
}

/**
 * The dirty set of a disk of `size` bytes in the tracking memory, with what it holds unless `fresh`; bytes in `memory-layout.ts`. What it takes grows with
 * what is in it. Throws NO_SPACE if the tmpfs is full.
 */
export const openDirtySet = (folder: MemoryFolder, disk: number, size: number, fresh: boolean): BlockSet => {
  if (fresh) folder.shorten(leavesOf(disk), 0);
  const table = new MappedTable(folder.map(tableOf(disk), tableBytes(size), fresh).bytes);
  return createRegionBlockSet(blockCount(size), table, new MappedLeaves(folder, leavesOf(disk)));
};

/** True if there is one for a disk of `size` bytes or a larger one: a process may have ended while it grew. */
export const hasDirtySet = (folder: MemoryFolder, disk: number, size: number): boolean => folder.sizeOf(tableOf(disk)) >= tableBytes(size);

export const removeDirtySet = (folder: MemoryFolder, disk: number): void => {
  folder.remove(tableOf(disk));
  folder.remove(leavesOf(disk));
};
