import { damaged } from './damage.ts';
import { TAG_SIZE } from './object-header.ts';
import { EXTENT_KIND } from './segment-index.ts';

/*
 * The index of a part of a run. Little-endian; docs/format.md, "Part".
 *
 *   u32 number of entries
 *   for each frame   u32 bytes sealed
 *   for each entry   u64 offset on the disk, u32 length, u32 kind, u64 number of the cut, u32 frame, u32 position in the frame's data
 */
const COUNT = 4;
const FRAME_ROW = 4;
const ENTRY_ROW = 32;

/** A version of some bytes of a disk. */
export interface PartEntry {
  readonly offset: number;
  readonly length: number;
  readonly kind: number;
  /** The cut it was changed by. */
  readonly cut: number;
  readonly frame: number;
  readonly position: number;
}

export const encodePartIndex = (frameSizes: readonly number[], entries: readonly PartEntry[]): Buffer => {
  const bytes = Buffer.allocUnsafe(COUNT + frameSizes.length * FRAME_ROW + entries.length * ENTRY_ROW);
  bytes.writeUInt32LE(entries.length, 0);
  let at = COUNT;
  for (const size of frameSizes) at = bytes.writeUInt32LE(size + TAG_SIZE, at);
  for (const { offset, length, kind, cut, frame, position } of entries) {
    bytes.writeBigUInt64LE(BigInt(offset), at);
    bytes.writeUInt32LE(length, at + 8);
    bytes.writeUInt32LE(kind, at + 12);
    bytes.writeBigUInt64LE(BigInt(cut), at + 16);
    bytes.writeUInt32LE(frame, at + 24);
    bytes.writeUInt32LE(position, at + 28);
    at += ENTRY_ROW;
  }
  return bytes;
};

/** An index in memory: a few typed arrays. */
export interface PartIndex {
  readonly count: number;
  /** Position of frame `n` in the object, then the end of the last one. */
  readonly positions: Float64Array;
  readonly offsets: Float64Array;
  readonly lengths: Uint32Array;
  readonly kinds: Uint8Array;
  readonly cuts: Float64Array;
  readonly frames: Uint32Array;
  /** Positions of the entries' bytes in their frames' data. */
  readonly places: Uint32Array;
}

/** Bytes it takes in memory, roughly. */
export const partIndexSize = ({ count, positions }: PartIndex): number => count * 33 + positions.byteLength + 1024;

/**
 * Reads an index and checks it: by offset, versions of the same bytes side by side and newest first, nothing else overlaps. `name` is the object's.
 * Errors: DAMAGED.
 */
export const decodePartIndex = (
  bytes: Buffer,
  { frameCount, framesLength }: { readonly frameCount: number; readonly framesLength: number },
  framesAt: number,
  name: string,
): PartIndex => {
  const count = bytes.length < COUNT ? 0 : bytes.readUInt32LE(0);
  const entriesAt = COUNT + frameCount * FRAME_ROW;
  if (bytes.length !== entriesAt + count * ENTRY_ROW) throw damaged(name, 'its index has a wrong length');
  const positions = new Float64Array(frameCount + 1);
  positions[0] = framesAt;
  for (let frame = 0; frame < frameCount; frame += 1)
    positions[frame + 1] = positions[frame]! + bytes.readUInt32LE(COUNT + frame * FRAME_ROW);
  if (positions[frameCount] !== framesAt + framesLength) throw damaged(name, 'its index and its header differ');
  const index: PartIndex = {
    count,
    positions,
    offsets: new Float64Array(count),
    lengths: new Uint32Array(count),
    kinds: new Uint8Array(count),
    cuts: new Float64Array(count),
    frames: new Uint32Array(count),
    places: new Uint32Array(count),
  };
  for (let entry = 0, at = entriesAt; entry < count; entry += 1, at += ENTRY_ROW) {
    index.offsets[entry] = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
    index.lengths[entry] = bytes.readUInt32LE(at + 8);
    const kind = bytes.readUInt32LE(at + 12);
    index.cuts[entry] = bytes.readUInt32LE(at + 16) + bytes.readUInt32LE(at + 20) * 2 ** 32;
    index.frames[entry] = bytes.readUInt32LE(at + 24);
    index.places[entry] = bytes.readUInt32LE(at + 28);
    if (kind > EXTENT_KIND.unreadable || (kind === EXTENT_KIND.data && index.frames[entry]! >= frameCount) || !isInOrder(index, entry))
      throw damaged(name, `entry ${entry} of its index is impossible`);
    index.kinds[entry] = kind;
  }
  return index;
};

const isInOrder = ({ offsets, lengths, cuts }: PartIndex, entry: number): boolean => {
  const offset = offsets[entry]!;
  if (lengths[entry] === 0 || !Number.isSafeInteger(offset + lengths[entry]!) || !Number.isSafeInteger(cuts[entry])) return false;
  if (entry === 0 || offset >= offsets[entry - 1]! + lengths[entry - 1]!) return true;
  return offset === offsets[entry - 1] && lengths[entry] === lengths[entry - 1] && cuts[entry]! < cuts[entry - 1]!;
};

/** The first entry that ends behind `offset`; `count` when there is none. Entries of the same bytes are all found from there on. */
export const firstEntryBehind = ({ offsets, lengths, count }: PartIndex, offset: number): number => {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offsets[middle]! + lengths[middle]! > offset) high = middle;
    else low = middle + 1;
  }
  return low;
};
