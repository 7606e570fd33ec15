import { BLOCK_SIZE } from '@holdfast/block';
import type { DiskSource } from './disk-source.ts';

/** Tells a bad block of the disk from a snapshot that the kernel gave up: the one is bad alone, of the other nothing can be read any more. */
export interface SnapshotProbe {
  /** That a block could be read. */
  sawGood(offset: number): void;
  /** Reads a little, and tells whether anything can be read still. */
  isThere(): boolean;
}

/** Places all over the disk that are tried where nothing was good yet. */
const PLACES = 8;

export const createSnapshotProbe = (snapshot: DiskSource): SnapshotProbe => {
  const last = Math.ceil(snapshot.size / BLOCK_SIZE) - 1;
  const places = Array.from({ length: PLACES }, (_, place) => Math.floor((last * place) / (PLACES - 1)) * BLOCK_SIZE);
  const isGood = (offset: number): boolean => snapshot.read(offset, Math.min(BLOCK_SIZE, snapshot.size - offset)).unreadable.length === 0;
  let good: number | undefined;
  return {
    sawGood: (offset) => {
      good ??= offset;
    },
    isThere: () => (good === undefined ? places : [good, ...places]).some(isGood),
  };
};
