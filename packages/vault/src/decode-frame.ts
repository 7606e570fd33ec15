import { type FrameExtent, openFrame, parseFrame } from '@holdfast/block';
import { damaged } from './damage.ts';
import { type SegmentIndex, sameExtents } from './segment-index.ts';
import type { Segment } from './segment-source.ts';

export interface DecodedFrame {
  /** As the agent made it. */
  readonly serialized: Buffer;
  readonly extents: readonly FrameExtent[];
  /** The data of all data extents, in order. */
  readonly data: Uint8Array;
}

/** Opens one frame of a segment and checks everything that can be: authentication, checksum, extents against the index, digest of every block. */
export const decodeFrame = async (segment: Segment, number: number, sealed: Uint8Array): Promise<DecodedFrame> => {
  const serialized = segment.openFrame(number, sealed);
  const frame = parseFrame(serialized);
  if (!sameExtents(segment.index, number, frame.extents)) throw damaged('frame', 'its extents and the index differ');
  return { serialized, extents: frame.extents, data: await openFrame(frame) };
};

/** The extents of a frame by the index. */
export const extentsOf = ({ firstExtent, offsets, lengths }: SegmentIndex, number: number): { offset: number; length: number }[] => {
  const extents: { offset: number; length: number }[] = [];
  for (let extent = firstExtent[number]!; extent < firstExtent[number + 1]!; extent += 1)
    extents.push({ offset: offsets[extent]!, length: lengths[extent]! });
  return extents;
};

const NAMED = 8;

/** Extents in words. */
export const describeExtents = (extents: readonly { readonly offset: number; readonly length: number }[]): string => {
  const named = extents.slice(0, NAMED).map(({ offset, length }) => `${offset} to ${offset + length}`);
  return `bytes ${named.join(', ')}${extents.length > NAMED ? ` and ${extents.length - NAMED} more extents` : ''}`;
};
