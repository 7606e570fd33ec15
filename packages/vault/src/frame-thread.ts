// A thread that opens frames: decrypts them, undoes their compression, compares every block with its digest. See frame-threads.ts.
import type { KeyObject } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { decode, type Frame, type FrameExtent, giveBack, parseFrame, serveThread } from '@holdfast/block';
import { openBox, PART } from './box.ts';
import { VerifiedData } from './verified-data.ts';

/** Bytes of a frame's data, and where they go. */
export interface WantedBytes {
  readonly frame: number;
  /** In the data of the frame, */
  readonly from: number;
  readonly to: number;
  /** on the disk, */
  readonly offset: number;
  /** and in what is to be filled. */
  readonly at: number;
}

/** Neighbouring frames of one object. */
export interface FramesWanted {
  readonly id: number;
  readonly key: KeyObject;
  readonly fields: Uint8Array;
  /** Frames of the object. */
  readonly count: number;
  readonly first: number;
  /** The sealed bytes of all of them, one after the other, */
  readonly sealed: Uint8Array;
  /** and where each ends. */
  readonly ends: readonly number[];
  /** Memory that all threads see: is filled with these bytes, and no frame is given back. */
  readonly fill?: { readonly target: Uint8Array; readonly wanted: readonly WantedBytes[] };
}

/** What a frame holds; every block of it is whole. */
export interface FrameOpened {
  readonly extents: readonly FrameExtent[];
  readonly digests: Uint8Array;
  readonly data: Uint8Array;
}

export interface FramesOpened {
  readonly id: number;
  /** `undefined` for one that could not be opened: who wants it finds out why. */
  readonly frames: readonly (FrameOpened | undefined)[];
}

const decodeFrame = async ({ key, fields, count, first, sealed, ends }: FramesWanted, i: number): Promise<[Frame, Uint8Array]> => {
  const number = first + i;
  const bytes = sealed.subarray(ends[i - 1] ?? 0, ends[i]);
  const plain = openBox(key, fields, { part: PART.frame, number, last: number === count - 1 }, bytes, 'frame');
  const frame = parseFrame(plain, { vouched: true });
  const data = await decode({ codec: frame.codec, bytes: frame.payload }, frame.dataLength, { alone: true });
  if (data === frame.payload) return [frame, data];
  const own = { ...frame, digests: Uint8Array.from(frame.digests), payload: NOTHING };
  giveBack(plain);
  return [own, data];
};

const open = async (all: FramesWanted, i: number): Promise<FrameOpened | undefined> => {
  try {
    const [frame, data] = await decodeFrame(all, i);
    const verified = new VerifiedData(frame, data);
    if (all.fill === undefined) {
      verified.slice(0, data.length);
      return { extents: frame.extents, digests: owned(frame.digests), data: owned(data) };
    }
    const { target, wanted } = all.fill;
    for (const { frame: number, from, to, offset, at } of wanted) {
      if (number !== all.first + i) continue;
      if (to > data.length || verified.offsetAt(from) !== offset) return undefined;
      target.set(verified.slice(from, to), at);
    }
    giveBack(data);
    return { extents: frame.extents, digests: NOTHING, data: NOTHING };
  } catch {
    return undefined;
  }
};

const NOTHING = new Uint8Array(0);

/** In memory of its own, which can be handed over. */
const owned = (bytes: Uint8Array): Uint8Array => {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
};

const answer = async (wanted: FramesWanted): Promise<void> => {
  const frames: (FrameOpened | undefined)[] = [];
  for (let i = 0; i < wanted.ends.length; i += 1) frames.push(await open(wanted, i));
  giveBack(wanted.sealed);
  const opened: FramesOpened = { id: wanted.id, frames };
  parentPort!.postMessage(
    opened,
    frames.flatMap((frame) =>
      frame === undefined || frame.data === NOTHING ? [] : [frame.data.buffer as ArrayBuffer, frame.digests.buffer as ArrayBuffer],
    ),
  );
};

serveThread((wanted: FramesWanted, before) => before.then(() => answer(wanted)));
