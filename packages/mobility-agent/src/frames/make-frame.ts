import { type CodecName, createFrame, type FrameExtent, giveBack, serializeFrame } from '@holdfast/block';

/** What becomes a frame. */
export interface FrameWork {
  readonly extents: readonly FrameExtent[];
  /** The bytes of all data extents, in order. They stay as they are until the frame is made. */
  readonly data: Uint8Array;
  readonly codec: CodecName;
  /** Of all its blocks, where they are known. */
  readonly digests: Uint8Array | undefined;
}

export interface MadeFrame {
  /** Serialized. */
  readonly bytes: Uint8Array;
  /** By which its data is stored in the end. */
  readonly codec: number;
}

/** In the thread that asks: each of the pool's would keep some megabytes for what it once compressed, and make little of them faster. */
export const makeFrame = async ({ extents, data, codec, digests }: FrameWork): Promise<MadeFrame> => {
  const frame = await createFrame(extents, data, codec, digests, { alone: true });
  const bytes = serializeFrame(frame);
  // What the compressor made is copied; the data of a frame that is kept raw is the caller's.
  if (frame.payload.buffer !== data.buffer) giveBack(frame.payload);
  return { bytes, codec: frame.codec };
};
