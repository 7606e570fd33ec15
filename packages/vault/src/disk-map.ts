import type { EpochRef } from '@holdfast/protocol';
import { idText } from '@holdfast/protocol';
import { type ExtentMap, ExtentTable, flatten } from './extent-table.ts';
import type { EpochEntry, GenerationHistory } from './history.ts';
import { EXTENT_KIND } from './segment-index.ts';
import type { SegmentSource } from './segment-source.ts';

/** Segments whose indexes are fetched at the same time. */
const AHEAD = 8;

/** Where every byte of one disk at one epoch is. */
export interface DiskMap {
  readonly size: number;
  readonly pieces: ExtentMap;
  /** Slot and number in it of frame `n` of `pieces.frames`. */
  readonly sequences: Float64Array;
  readonly numbers: Uint32Array;
}

/** The epochs that make the state at `ref`, oldest first: through parents, and open pieces like any other. */
export const pathTo = (generations: ReadonlyMap<string, GenerationHistory>, ref: EpochRef): EpochEntry[] => {
  const path: EpochEntry[][] = [];
  for (let at: EpochRef | undefined = ref; at !== undefined; ) {
    const generation: GenerationHistory = generations.get(idText(at.generationId))!;
    path.push(generation.epochs.slice(0, Number(at.number) + 1));
    at = generation.generation.parent;
  }
  return path.reverse().flat();
};

/** Reads the indexes of all segments on the path and finds out where every byte is. */
export const mapDisk = async (path: readonly EpochEntry[], segments: SegmentSource): Promise<DiskMap> => {
  const table = new ExtentTable();
  const sequences: number[] = [];
  const numbers: number[] = [];
  const runs = path.flatMap((entry) => entry.runs);
  const ahead: ReturnType<SegmentSource['segment']>[] = [];
  let fetched = 0;
  let size = 0;
  for (const entry of path) {
    const epochSize = Number(entry.epoch.diskSize);
    // What a disk loses by shrinking reads as zeroes when it grows again.
    if (epochSize < size) table.push(epochSize, size, EXTENT_KIND.zero, 0, 0);
    size = epochSize;
    for (const run of entry.runs) {
      for (; fetched < runs.length && ahead.length < AHEAD; fetched += 1) {
        const segment = segments.segment(runs[fetched]!.sequence);
        segment.catch(() => {});
        ahead.push(segment);
      }
      const { index } = await ahead.shift()!;
      for (let number = run.first; number < run.first + run.count; number += 1) {
        const frame = sequences.length;
        sequences.push(run.sequence);
        numbers.push(number);
        let position = 0;
        for (let extent = index.firstExtent[number]!; extent < index.firstExtent[number + 1]!; extent += 1) {
          const start = index.offsets[extent]!;
          const length = index.lengths[extent]!;
          const kind = index.kinds[extent]!;
          table.push(start, start + length, kind, frame, kind === EXTENT_KIND.data ? position : 0);
          if (kind === EXTENT_KIND.data) position += length;
        }
      }
    }
  }
  return { size, pieces: flatten(table, size), sequences: Float64Array.from(sequences), numbers: Uint32Array.from(numbers) };
};
