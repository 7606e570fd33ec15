// A thread that makes the frames of a disk image, a piece for each message it gets, as an agent on another machine does: it reads, compares with
// zeroes, digests, compresses, adds checksums. Frames are handed over, not copied, and their memory is used again.
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { createContentDigest, createFrame, FRAME_DATA_LIMIT, type FrameExtent, serializeFrame, serveThread } from '@holdfast/block';

export interface PieceWanted {
  readonly number: number;
  readonly image: string;
  readonly start: number;
  readonly end: number;
  /** Memory of an earlier piece, if there is some to be used again: new pages take longer than what is written to them. */
  readonly memory: ArrayBuffer | undefined;
}

export interface MadePiece {
  readonly number: number;
  /** The frames, one after the other, */
  readonly memory: ArrayBuffer;
  /** and where each ends. */
  readonly ends: readonly number[];
  /** The content digest of the frames. */
  readonly digest: Uint8Array;
}

const NOTHING = new Uint8Array(0);
const ZEROES = Buffer.alloc(FRAME_DATA_LIMIT);
const plain = Buffer.allocUnsafeSlow(FRAME_DATA_LIMIT);

/** More than what a frame has beside its data. */
const OVERHEAD = 4096;

const makePiece = async ({ number, image, start, end, ...wanted }: PieceWanted): Promise<void> => {
  const file = openSync(image, 'r');
  const count = Math.ceil((end - start) / FRAME_DATA_LIMIT);
  const memory = wanted.memory ?? new ArrayBuffer(count * (FRAME_DATA_LIMIT + OVERHEAD));
  const ends: number[] = [];
  const digest = createContentDigest();
  for (let offset = start; offset < end; offset += FRAME_DATA_LIMIT) {
    const data = plain.subarray(0, Math.min(FRAME_DATA_LIMIT, end - offset));
    readSync(file, data, 0, data.length, offset);
    const isZero = data.equals(ZEROES.subarray(0, data.length));
    const extent: FrameExtent = { offset, length: data.length, kind: isZero ? 'zero' : 'data' };
    const frame = await createFrame([extent], isZero ? NOTHING : data, 'lz4', undefined, { alone: true });
    const from = ends.at(-1) ?? 0;
    const serialized = serializeFrame(frame, new Uint8Array(memory, from));
    digest.add(serialized);
    ends.push(from + serialized.length);
  }
  closeSync(file);
  const made: MadePiece = { number, memory, ends, digest: digest.value() };
  parentPort!.postMessage(made, [memory]);
};

serveThread((wanted: PieceWanted, before) => before.then(() => makePiece(wanted)));
