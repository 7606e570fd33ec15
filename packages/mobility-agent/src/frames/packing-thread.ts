// A thread that makes frames: digests every block, compresses, adds checksums. See frame-maker.ts.
import { parentPort } from 'node:worker_threads';
import { serveThread } from '@holdfast/block';
import { type FrameWork, type MadeFrame, makeFrame } from './make-frame.ts';

export interface FrameWanted extends FrameWork {
  readonly id: number;
}

export interface FrameDone {
  readonly id: number;
  /** `undefined` for one that could not be made: who wants it finds out why. */
  readonly made: (MadeFrame & { readonly bytes: Uint8Array<ArrayBuffer> }) | undefined;
}

/** In memory of its own, which can be handed over. */
const owned = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => {
  const { buffer } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length ? new Uint8Array(buffer) : Uint8Array.from(bytes);
};

const answer = async ({ id, ...work }: FrameWanted): Promise<void> => {
  let done: FrameDone;
  try {
    const { bytes, codec } = await makeFrame(work, true);
    done = { id, made: { bytes: owned(bytes), codec } };
  } catch {
    done = { id, made: undefined };
  }
  parentPort!.postMessage(done, done.made === undefined ? [] : [done.made.bytes.buffer]);
};

serveThread((wanted: FrameWanted, before) => before.then(() => answer(wanted)));
