import { decode, type Frame, type FrameExtent, openFrame, parseFrame } from '@holdfast/block';
import { damaged } from './damage.ts';
import { type SegmentIndex, sameExtents } from './segment-index.ts';
import type { Segment } from './segment-source.ts';
import { VerifiedData } from './verified-data.ts';

export interface DecodedFrame {
  /** As the agent made it. */
  readonly serialized: Buffer;
  readonly extents: readonly FrameExtent[];
  /** The data of all data extents, in order. */
  readonly data: Uint8Array;
}

/** What frames are opened from: a segment of the log, or a part of a level. */
export type FrameHolder = Pick<Segment, 'index' | 'openFrame'>;

/** Opens one frame and checks everything that can be: authentication, checksum, extents against the index, digest of every block. */
export const decodeFrame = async (holder: FrameHolder, number: number, sealed: Uint8Array): Promise<DecodedFrame> => {
  const { serialized, frame } = unseal(holder, number, sealed);
  return { serialized, extents: frame.extents, data: await openFrame(frame) };
};

/** The same, except that the digest of a block is looked at when the block is asked for. */
export const decodeLazily = async (holder: FrameHolder, number: number, sealed: Uint8Array): Promise<VerifiedData> => {
  const { frame } = unseal(holder, number, sealed);
  return new VerifiedData(frame, await decode({ codec: frame.codec, bytes: frame.payload }, frame.dataLength));
};

const unseal = ({ index, openFrame }: FrameHolder, number: number, sealed: Uint8Array): { serialized: Buffer; frame: Frame } => {
  const serialized = openFrame(number, sealed);
  const frame = parseFrame(serialized);
  if (!sameExtents(index, number, frame.extents)) throw damaged('frame', 'its extents and the index differ');
  return { serialized, frame };
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
