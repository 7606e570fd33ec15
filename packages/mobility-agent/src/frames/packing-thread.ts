// A thread that makes frames: digests every block, compresses, adds checksums. See frame-maker.ts.
import os from 'node:os';
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
    const { bytes, codec } = await makeFrame(work);
    done = { id, made: { bytes: owned(bytes), codec } };
  } catch {
    done = { id, made: undefined };
  }
  parentPort!.postMessage(done, done.made === undefined ? [] : [done.made.bytes.buffer]);
};

/**
 * How much nicer than the rest of the program, which reads, keeps and sends what is made here, and whose every wait is one of all; and than the machine's own
 * work. What is left of the processors goes into frames.
 */
const NICER = 5;

/** On Linux priorities are those of single threads. */
const giveWay = (): void => {
  if (process.platform !== 'linux') return;
  try {
    os.setPriority(0, Math.min(os.constants.priority.PRIORITY_LOW, os.getPriority(0) + NICER));
  } catch {
    // Who may not be nice works as it is.
  }
};

giveWay();
serveThread((wanted: FrameWanted, before) => before.then(() => answer(wanted)));
