import type { CutContent } from '@holdfast/protocol';

/** A cut that counts the bytes of its frames while they are read. */
export interface CountedContent extends CutContent {
  /** Bytes of frames of all epochs that have been read to their end; reading again counts once. */
  readonly sent: number;
}

export const countFrames = (content: CutContent): CountedContent => {
  const sent = new Map<number, number>();
  return {
    cut: content.cut,
    frames: async function* (index) {
      let bytes = 0;
      for await (const frame of content.frames(index)) {
        bytes += frame.length;
        yield frame;
      }
      sent.set(index, bytes);
    },
    get sent() {
      return [...sent.values()].reduce((sum, bytes) => sum + bytes, 0);
    },
  };
};
