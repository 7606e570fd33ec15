import { type FrameExtent, parseFrame } from '@holdfast/block';
import type { EpochRef, RunRef } from '@holdfast/protocol';
import { idText } from '@holdfast/protocol';
import { type DiskPath, pathTo } from './cut-path.ts';
import type { CutRange } from './cut-range.ts';
import { damaged } from './damage.ts';
import { checkExtents, decodeLazily, describeExtents, extentsOf } from './decode-frame.ts';
import { type ExtentMap, ExtentTable, firstPieceBehind, flatten } from './extent-table.ts';
import type { FrameHandle } from './frame-reader.ts';
import { frameThreads } from './frame-threads.ts';
import type { EpochEntry, MachineHistory } from './history.ts';
import { type LevelSource, partsBetween, versionsBetween } from './level-source.ts';
import { EXTENT_KIND, sameExtents } from './segment-index.ts';
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

/** The extents of epochs in the log, resident. */
export interface LogExtents {
  readonly table: ExtentTable;
  /** Slot and number in it of frame `n` of the table. */
  readonly sequences: readonly number[];
  readonly numbers: readonly number[];
}

/** Reads the indexes of all segments that hold frames of the epochs. `sizeBefore` is the disk's size at the epoch before the first one. */
export const readExtents = async (
  entries: readonly EpochEntry[],
  segments: SegmentSource,
  sizeBefore: number,
  onEpoch: (entry: EpochEntry, firstExtent: number) => void = () => {},
): Promise<LogExtents> => {
  const table = new ExtentTable();
  const sequences: number[] = [];
  const numbers: number[] = [];
  const runs = entries.flatMap((entry) => entry.runs);
  const ahead: ReturnType<SegmentSource['segment']>[] = [];
  let fetched = 0;
  let size = sizeBefore;
  for (const entry of entries) {
    onEpoch(entry, table.count);
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
      const { index, name } = await ahead.shift()!;
      if (run.first + run.count > index.frameCount) throw damaged(name, `frames ${run.first} to ${run.first + run.count} of it are wanted`);
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
  return { table, sequences, numbers };
};

/** Slots as places that frames are read from. */
export class SlotHandles {
  readonly #segments: SegmentSource;
  readonly #handles = new Map<number, FrameHandle>();

  constructor(segments: SegmentSource) {
    this.#segments = segments;
  }

  of(sequence: number): FrameHandle {
    const known = this.#handles.get(sequence);
    if (known !== undefined) return known;
    const handle: FrameHandle = {
      key: String(sequence),
      open: async () => {
        const segment = await this.#segments.segment(sequence);
        const isExpected = (extents: readonly FrameExtent[], frame: number): boolean => sameExtents(segment.index, frame, extents);
        return {
          name: segment.name,
          readSealed: segment.readSealed,
          decode: (frame, sealed, alone) =>
            decodeLazily(segment.openFrame, frame, sealed, alone, (parsed) => checkExtents(segment, frame, parsed)),
          decodeSeveral: (first, sealed) => frameThreads.open(segment.frameKeys, first, sealed, isExpected),
          fill: (first, sealed, fill) => frameThreads.fill(segment.frameKeys, first, sealed, fill, isExpected),
          parse: (frame, sealed) => {
            const parsed = parseFrame(segment.openFrame(frame, sealed));
            checkExtents(segment, frame, parsed);
            return parsed;
          },
          describe: (frame) => describeExtents(extentsOf(segment.index, frame)),
        };
      },
    };
    this.#handles.set(sequence, handle);
    return handle;
  }
}

/** A disk out of the tail of the log, and of runs below it. */
class LayeredMap implements DiskMap {
  readonly size: number;
  readonly #pieces: ExtentMap;
  readonly #sequences: readonly number[];
  readonly #numbers: readonly number[];
  readonly #slots: SlotHandles;
  /** Newest first. */
  readonly #runs: readonly RunRef[];
  readonly #levels: LevelSource;
  readonly #path: readonly CutRange[];

  constructor(
    size: number,
    { table, sequences, numbers }: LogExtents,
    { segments, levels }: MachineHistory,
    runs: readonly RunRef[],
    path: readonly CutRange[],
  ) {
    this.size = size;
    this.#pieces = flatten(table, size, runs.length > 0);
    this.#sequences = sequences;
    this.#numbers = numbers;
    this.#slots = new SlotHandles(segments);
    this.#runs = runs.toReversed();
    this.#levels = levels;
    this.#path = path;
  }

  async find(start: number, end: number): Promise<Piece[]> {
    const found = this.#findInLog(start, Math.min(end, this.size));
    if (this.#runs.length === 0) return found;
    let gaps = gapsIn(found, start, Math.min(end, this.size));
    for (const run of this.#runs) {
      if (gaps.length === 0) break;
      const below: Piece[] = [];
      for (const gap of gaps) below.push(...(await this.#findInRun(run, gap.start, gap.end)));
      gaps = gaps.flatMap((gap) => gapsIn(below, gap.start, gap.end));
      found.push(...below);
    }
    return found.filter(({ kind }) => kind !== EXTENT_KIND.zero).sort((a, b) => a.start - b.start);
  }

  #findInLog(start: number, end: number): Piece[] {
    const { starts, ends, kinds, frames, positions, count } = this.#pieces;
    const found: Piece[] = [];
    for (let piece = firstPieceBehind(this.#pieces, start); piece < count && starts[piece]! < end; piece += 1) {
      const from = Math.max(starts[piece]!, start);
      found.push({
        start: from,
        end: Math.min(ends[piece]!, end),
        kind: kinds[piece]!,
        handle: this.#slots.of(this.#sequences[frames[piece]!] ?? -1),
        frame: this.#numbers[frames[piece]!] ?? 0,
        position: positions[piece]! + from - starts[piece]!,
      });
    }
    return found;
  }

  async #findInRun(ref: RunRef, start: number, end: number): Promise<Piece[]> {
    const found: Piece[] = [];
    for (const part of partsBetween(await this.#levels.run(ref), start, end)) {
      const { index, handle } = await this.#levels.part(part);
      for (const entry of versionsBetween(index, start, end, this.#path)) {
        const from = Math.max(index.offsets[entry]!, start);
        found.push({
          start: from,
          end: Math.min(index.offsets[entry]! + index.lengths[entry]!, end),
          kind: index.kinds[entry]!,
          handle,
          frame: index.frames[entry]!,
          position: index.places[entry]! + from - index.offsets[entry]!,
        });
      }
    }
    return found;
  }
}

/** What pieces (ascending, not overlapping) leave open between two offsets. */
const gapsIn = (pieces: readonly Piece[], start: number, end: number): { start: number; end: number }[] => {
  const gaps: { start: number; end: number }[] = [];
  let at = start;
  for (const piece of pieces) {
    if (piece.end <= at || piece.start >= end) continue;
    if (piece.start > at) gaps.push({ start: at, end: piece.start });
    at = piece.end;
  }
  if (at < end) gaps.push({ start: at, end });
  return gaps;
};

/** Finds out where every byte of a disk at an epoch is: reads the indexes of what is in the tail of the log, nothing of what lies below. */
export const mapDisk = async (history: MachineHistory, diskId: string, ref: EpochRef): Promise<DiskMap> => {
  const path = pathTo(history.generations, ref);
  const compacted = Number(history.catalogue?.catalogue.compacted ?? 0n);
  const runs = (history.catalogue?.catalogue.runs ?? []).filter((run) => idText(run.diskId) === diskId && overlaps(path, run));
  const { before, tail } = splitPath(path, compacted);
  const extents = await readExtents(tail, history.segments, Number(before?.epoch.diskSize ?? 0n));
  return new LayeredMap(Number(path.entries.at(-1)!.epoch.diskSize), extents, history, runs, path.cuts);
};

/** The epochs of a path that are in the tail, and the one before them. */
const splitPath = ({ entries }: DiskPath, compacted: number): { readonly before: EpochEntry | undefined; readonly tail: EpochEntry[] } => ({
  before: entries.findLast(({ cut }) => cut < compacted),
  tail: entries.filter(({ cut }) => cut >= compacted),
});

const overlaps = ({ cuts }: DiskPath, { firstCut, endCut }: RunRef): boolean =>
  cuts.some(({ from, to }) => from < Number(endCut) && to >= Number(firstCut));
