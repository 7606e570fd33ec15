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

/** Opens one frame of a segment and checks everything that can be: authentication, checksum, extents against the index, digest of every block. */
export const decodeFrame = async (segment: Segment, number: number, sealed: Uint8Array): Promise<DecodedFrame> => {
  const serialized = segment.openFrame(number, sealed);
  const frame = parseFrame(serialized);
  checkExtents(segment, number, frame);
  return { serialized, extents: frame.extents, data: await openFrame(frame) };
};

/**
 * The same, except that the digest of a block is looked at when the block is asked for. `check` looks at what else can be known of the frame.
 */
export const decodeLazily = async (
  open: Segment['openFrame'],
  number: number,
  sealed: Uint8Array,
  alone: boolean,
  check: (frame: Frame) => void = () => {},
): Promise<VerifiedData> => {
  // Authenticated a moment ago, and every block is compared with its digest before it is served.
  const frame = parseFrame(open(number, sealed), { vouched: true });
  check(frame);
  return new VerifiedData(frame, await decode({ codec: frame.codec, bytes: frame.payload }, frame.dataLength, { alone }));
};

/** Errors: DAMAGED when the frame's extents are not those that the index of its segment tells. */
export const checkExtents = ({ index }: Pick<Segment, 'index'>, number: number, { extents }: Frame): void => {
  if (!sameExtents(index, number, extents)) throw damaged('frame', 'its extents and the index differ');
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
