import type { FrameExtent } from '@holdfast/block';
import { damaged } from './damage.ts';
import { type ObjectHeader, TAG_SIZE } from './object-header.ts';

/*
 * The index of a segment: where its frames are and which extents they hold, so that a reader need not open a frame to know. Little-endian;
 * docs/format.md, "Segment index".
 *
 *   for each frame    u32 bytes sealed, u32 number of extents
 *   for each extent   u64 offset on the disk, u32 length, u32 kind (as in the frame)
 */
const FRAME_ROW = 8;
const EXTENT_ROW = 16;

/** Kinds of extents as numbers, as frames and indexes store them. */
export const EXTENT_KIND = { data: 0, zero: 1, unreadable: 2 } as const;
const KIND_NAMES = ['data', 'zero', 'unreadable'] as const;

export const encodeSegmentIndex = (frames: readonly { readonly bytes: Uint8Array; readonly extents: readonly FrameExtent[] }[]): Buffer => {
  const extentCount = frames.reduce((sum, { extents }) => sum + extents.length, 0);
  const bytes = Buffer.allocUnsafe(frames.length * FRAME_ROW + extentCount * EXTENT_ROW);
  let row = 0;
  let at = frames.length * FRAME_ROW;
  for (const frame of frames) {
    bytes.writeUInt32LE(frame.bytes.length + TAG_SIZE, row);
    bytes.writeUInt32LE(frame.extents.length, row + 4);
    row += FRAME_ROW;
    for (const { offset, length, kind } of frame.extents) {
      bytes.writeBigUInt64LE(BigInt(offset), at);
      bytes.writeUInt32LE(length, at + 8);
      bytes.writeUInt32LE(EXTENT_KIND[kind], at + 12);
      at += EXTENT_ROW;
    }
  }
  return bytes;
};

/** A segment's index in memory: a few typed arrays, whatever it holds. */
export interface SegmentIndex {
  readonly frameCount: number;
  /** Position of frame `n` in the object; entry `frameCount` is the end of the last. */
  readonly positions: Float64Array;
  /** First extent of frame `n`; entry `frameCount` is the number of extents. */
  readonly firstExtent: Uint32Array;
  readonly offsets: Float64Array;
  readonly lengths: Uint32Array;
  readonly kinds: Uint8Array;
}

/** Reads an index and checks it against the header it belongs to. `name` is the object's. Errors: DAMAGED. */
export const decodeSegmentIndex = (
  bytes: Buffer,
  { frameCount, framesLength }: ObjectHeader,
  framesAt: number,
  name: string,
): SegmentIndex => {
  if (bytes.length < frameCount * FRAME_ROW) throw damaged(name, 'its index is cut short');
  const positions = new Float64Array(frameCount + 1);
  const firstExtent = new Uint32Array(frameCount + 1);
  positions[0] = framesAt;
  // Not the last of the firsts: those are 32 bits, and may come round to what it should be.
  let extentCount = 0;
  for (let frame = 0; frame < frameCount; frame += 1) {
    positions[frame + 1] = positions[frame]! + bytes.readUInt32LE(frame * FRAME_ROW);
    extentCount += bytes.readUInt32LE(frame * FRAME_ROW + 4);
    firstExtent[frame + 1] = extentCount;
  }
  const sound = positions[frameCount] === framesAt + framesLength && bytes.length === frameCount * FRAME_ROW + extentCount * EXTENT_ROW;
  if (!sound) throw damaged(name, 'its index and its header differ');

  const offsets = new Float64Array(extentCount);
  const lengths = new Uint32Array(extentCount);
  const kinds = new Uint8Array(extentCount);
  for (let extent = 0, at = frameCount * FRAME_ROW; extent < extentCount; extent += 1, at += EXTENT_ROW) {
    offsets[extent] = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
    lengths[extent] = bytes.readUInt32LE(at + 8);
    const kind = bytes.readUInt32LE(at + 12);
    if (!Number.isSafeInteger(offsets[extent]! + lengths[extent]!) || kind > EXTENT_KIND.unreadable)
      throw damaged(name, `extent ${extent} of its index is impossible`);
    kinds[extent] = kind;
  }
  return { frameCount, positions, firstExtent, offsets, lengths, kinds };
};

/** True when the extents of an opened frame are those the index tells. */
export const sameExtents = (index: SegmentIndex, frame: number, extents: readonly FrameExtent[]): boolean => {
  const first = index.firstExtent[frame]!;
  return (
    index.firstExtent[frame + 1]! - first === extents.length &&
    extents.every(
      ({ offset, length, kind }, i) =>
        index.offsets[first + i] === offset && index.lengths[first + i] === length && KIND_NAMES[index.kinds[first + i]!] === kind,
    )
  );
};
