import type { RecordPlace } from './segmented-log.ts';

/** Bytes kept at most: two pieces of a copy, or a cut, while the one before is sent. */
const RECENT_BYTES = 32 * 1024 * 1024;

/** Frames that were written into the log and not yet read back: who sends them soon need not read them. The log counts, this may forget anything. */
export interface RecentFrames {
  /** Keeps the frame while there is room. */
  keep(place: RecordPlace, frame: Uint8Array): void;
  /** The frame, once. */
  take(place: RecordPlace): Uint8Array | undefined;
  forget(places: Iterable<RecordPlace>): void;
}

export const createRecentFrames = (most: number = RECENT_BYTES): RecentFrames => {
  const frames = new Map<RecordPlace, Uint8Array>();
  let bytes = 0;
  const take = (place: RecordPlace): Uint8Array | undefined => {
    const frame = frames.get(place);
    if (frame === undefined) return undefined;
    frames.delete(place);
    bytes -= frame.length;
    return frame;
  };
  return {
    keep(place, frame) {
      if (bytes + frame.length > most) return;
      frames.set(place, frame);
      bytes += frame.length;
    },
    take,
    forget(places) {
      for (const place of places) take(place);
    },
  };
};
