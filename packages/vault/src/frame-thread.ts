// A thread that opens frames: decrypts them, undoes their compression, compares every block with its digest. See frame-threads.ts.
import type { KeyObject } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { decode, type FrameExtent, parseFrame } from '@holdfast/block';
import { openBox, PART } from './box.ts';
import { VerifiedData } from './verified-data.ts';

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

const open = async ({ key, fields, count, first, sealed, ends }: FramesWanted, i: number): Promise<FrameOpened | undefined> => {
  const number = first + i;
  const bytes = sealed.subarray(ends[i - 1] ?? 0, ends[i]);
  try {
    const plain = openBox(key, fields, { part: PART.frame, number, last: number === count - 1 }, bytes, 'frame');
    const frame = parseFrame(plain, { vouched: true });
    const data = await decode({ codec: frame.codec, bytes: frame.payload }, frame.dataLength, { alone: true });
    new VerifiedData(frame, data).slice(0, data.length);
    return { extents: frame.extents, digests: owned(frame.digests), data: owned(data) };
  } catch {
    return undefined;
  }
};

/** In memory of its own, which can be handed over. */
const owned = (bytes: Uint8Array): Uint8Array => {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
};

const answer = async (wanted: FramesWanted): Promise<void> => {
  const frames: (FrameOpened | undefined)[] = [];
  for (let i = 0; i < wanted.ends.length; i += 1) frames.push(await open(wanted, i));
  const opened: FramesOpened = { id: wanted.id, frames };
  parentPort!.postMessage(
    opened,
    frames.flatMap((frame) => (frame === undefined ? [] : [frame.data.buffer as ArrayBuffer, frame.digests.buffer as ArrayBuffer])),
  );
};

let order: Promise<void> = Promise.resolve();
parentPort!.on('message', (wanted: FramesWanted) => {
  order = order.then(() => answer(wanted));
});
