import { type EpochRef, idText } from '@holdfast/protocol';
import { decodeLazily, describeExtents, extentsOf } from './decode-frame.ts';
import { type ExtentMap, ExtentTable, firstPieceBehind, flatten } from './extent-table.ts';
import type { FrameHandle } from './frame-reader.ts';
import type { EpochEntry, GenerationHistory } from './history.ts';
import { EXTENT_KIND } from './segment-index.ts';
import type { SegmentSource } from './segment-source.ts';

/** Segments whose indexes are fetched at the same time. */
const AHEAD = 8;

/** A part of a disk and where its bytes are. Parts that no piece tells of read as zeroes. */
export interface Piece {
  readonly start: number;
  readonly end: number;
  readonly kind: number;
  readonly handle: FrameHandle;
  readonly frame: number;
  /** Where in the frame's data the piece begins. */
  readonly position: number;
}

/** Where every byte of one disk at one epoch is. */
export interface DiskMap {
  readonly size: number;
  /** What the disk holds between two offsets, ascending, cut to them; nothing that reads as zeroes. */
  find(start: number, end: number): Promise<Piece[]>;
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

/** The extents of epochs in the log, resident. */
class LogMap implements DiskMap {
  readonly size: number;
  readonly #pieces: ExtentMap;
  /** Slot and number in it of frame `n` of the pieces. */
  readonly #sequences: Float64Array;
  readonly #numbers: Uint32Array;
  readonly #segments: SegmentSource;
  readonly #handles = new Map<number, FrameHandle>();

  constructor(size: number, pieces: ExtentMap, sequences: Float64Array, numbers: Uint32Array, segments: SegmentSource) {
    this.size = size;
    this.#pieces = pieces;
    this.#sequences = sequences;
    this.#numbers = numbers;
    this.#segments = segments;
  }

  async find(start: number, end: number): Promise<Piece[]> {
    const { starts, ends, kinds, frames, positions, count } = this.#pieces;
    const found: Piece[] = [];
    for (let piece = firstPieceBehind(this.#pieces, start); piece < count && starts[piece]! < end; piece += 1) {
      const from = Math.max(starts[piece]!, start);
      found.push({
        start: from,
        end: Math.min(ends[piece]!, end),
        kind: kinds[piece]!,
        handle: this.#handle(this.#sequences[frames[piece]!]!),
        frame: this.#numbers[frames[piece]!]!,
        position: positions[piece]! + from - starts[piece]!,
      });
    }
    return found;
  }

  #handle(sequence: number): FrameHandle {
    const known = this.#handles.get(sequence);
    if (known !== undefined) return known;
    const handle = slotHandle(this.#segments, sequence);
    this.#handles.set(sequence, handle);
    return handle;
  }
}

const slotHandle = (segments: SegmentSource, sequence: number): FrameHandle => ({
  key: String(sequence),
  open: async () => {
    const segment = await segments.segment(sequence);
    return {
      name: segment.name,
      readSealed: segment.readSealed,
      decode: (frame, sealed) => decodeLazily(segment, frame, sealed),
      describe: (frame) => describeExtents(extentsOf(segment.index, frame)),
    };
  },
});

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
  return new LogMap(size, flatten(table, size), Float64Array.from(sequences), Uint32Array.from(numbers), segments);
};
