import { openFrame, parseFrame } from '@holdfast/block';

/** What `applyFrames` fills unreadable blocks with. */
export const UNREADABLE = 0xee;

/** Applies frames to a disk, later wins; unreadable blocks show as `UNREADABLE`. Throws on anything a reader would refuse. */
export const applyFrames = async (frames: readonly Uint8Array[], disk: Uint8Array): Promise<void> => {
  for (const bytes of frames) {
    const frame = parseFrame(bytes);
    const data = await openFrame(frame);
    const sorted = [...frame.extents].sort((a, b) => a.offset - b.offset);
    sorted.forEach((extent, i) => {
      const next = sorted[i + 1];
      if (next !== undefined && extent.offset + extent.length > next.offset) throw new Error('extents overlap');
    });
    let from = 0;
    for (const { kind, offset, length } of frame.extents) {
      if (kind === 'data') disk.set(data.subarray(from, from + length), offset);
      else disk.fill(kind === 'zero' ? 0 : UNREADABLE, offset, offset + length);
      if (kind === 'data') from += length;
    }
  }
};
