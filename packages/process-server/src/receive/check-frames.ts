import { parseFrame } from '@holdfast/block';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { type Frames, splitFrames } from '@holdfast/protocol';
import type { FrameChunk } from '../journal/journal.ts';

/** Bytes of the largest frame (docs/format.md, "Frame"). */
export const LARGEST_FRAME = 1024 * 1024;

export const violation = (thing: string, why: string): HoldfastError =>
  new HoldfastError('PROTOCOL_VIOLATION', { thing, why, remedy: 'this is a defect of the agent; update it and report this' });

/**
 * Looks at every frame of a message: layout, limits, checksum. That they are all the agent committed is told by the digest at the end of the cut. Throws
 * PROTOCOL_VIOLATION, or DAMAGED for a frame that was changed on its way.
 */
export const checkFrames = ({ epochIndex, firstFrame, payload }: Frames, thing: string): FrameChunk => {
  const frames = splitFrames(payload, LARGEST_FRAME);
  if (frames.length === 0) throw violation(thing, 'a message with frames has none');
  const sums = { data: 0, zero: 0, unreadable: 0 };
  let end = 0;
  for (const [index, frame] of frames.entries()) {
    try {
      for (const { offset, length, kind } of parseFrame(frame).extents) {
        sums[kind] += length;
        end = Math.max(end, offset + length);
      }
    } catch (reason) {
      const error = fromSystem(reason, thing);
      throw new HoldfastError(error.code, {
        thing: `frame ${Number(firstFrame) + index} of ${thing}`,
        why: error.why,
        remedy: 'nothing: the agent sends it again; if it stays so, look at the memory of both machines',
        cause: reason,
      });
    }
  }
  return {
    epochIndex,
    firstFrame: Number(firstFrame),
    frames: frames.length,
    sums: { dataBytes: sums.data, zeroBytes: sums.zero, unreadableBytes: sums.unreadable, end },
    payload,
    parts: frames,
  };
};
