import type { Extent } from '@holdfast/block';
import type { EpochRef } from '@holdfast/protocol';
import { mapDisk, type Piece } from './disk-map.ts';
import type { MachineHistory } from './history.ts';

/** Bytes of a disk that are compared at once. */
const WINDOW = 64 * 1024 * 1024;

/** What may differ between two states of a disk. */
export interface DiskDifference {
  /** Bytes of the disk in the first state, and in the second. */
  readonly sizes: readonly [from: number, to: number];
  /** Ascending; of what both have. What only the larger one has is not among them. */
  readonly extents: AsyncIterable<Extent>;
}

/**
 * The difference of two states of one disk, of any generations, without reading data: bytes that come from the same place are the same; others may still
 * be equal. Errors: DAMAGED, where an index is.
 */
export const diskDifference = async (history: MachineHistory, diskId: string, from: EpochRef, to: EpochRef): Promise<DiskDifference> => {
  const [before, after] = [await mapDisk(history, diskId, from), await mapDisk(history, diskId, to)];
  const size = Math.min(before.size, after.size);
  async function* extents(): AsyncGenerator<Extent> {
    let open: { offset: number; length: number } | undefined;
    for (let start = 0; start < size; start += WINDOW) {
      const end = Math.min(start + WINDOW, size);
      for (const extent of differing(await before.find(start, end), await after.find(start, end), start, end)) {
        if (open !== undefined && open.offset + open.length === extent.offset) open.length += extent.length;
        else {
          if (open !== undefined) yield open;
          open = { ...extent };
        }
      }
    }
    if (open !== undefined) yield open;
  }
  return { sizes: [before.size, after.size], extents: extents() };
};

/** Goes through two lists of pieces at once; between pieces there are zeroes. */
function* differing(a: readonly Piece[], b: readonly Piece[], start: number, end: number): Generator<Extent> {
  let i = 0;
  let j = 0;
  for (let at = start; at < end; ) {
    while (i < a.length && a[i]!.end <= at) i += 1;
    while (j < b.length && b[j]!.end <= at) j += 1;
    const [left, right] = [pieceAt(a[i], at), pieceAt(b[j], at)];
    const until = Math.min(end, left?.end ?? a[i]?.start ?? end, right?.end ?? b[j]?.start ?? end);
    if (!comesFromTheSame(left, right, at)) yield { offset: at, length: until - at };
    at = until;
  }
}

const pieceAt = (piece: Piece | undefined, at: number): Piece | undefined => (piece !== undefined && piece.start <= at ? piece : undefined);

const comesFromTheSame = (a: Piece | undefined, b: Piece | undefined, at: number): boolean => {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.kind === b.kind && a.handle.key === b.handle.key && a.frame === b.frame && a.position + at - a.start === b.position + at - b.start
  );
};
