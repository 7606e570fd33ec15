// A thread that makes the frames of a disk image, a piece for each message it gets, as an agent on another machine does: it reads, compares with
// zeroes, digests, compresses. Frames are handed over, not copied.
import { createHash, type Hash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { createFrame, FRAME_DATA_LIMIT, type FrameExtent, serializeFrame } from '@holdfast/block';

export interface PieceWanted {
  readonly start: number;
  readonly end: number;
}

export interface MadePiece {
  readonly frames: readonly Uint8Array[];
  /** SHA-256 of the frames. */
  readonly digest: Uint8Array;
}

/** Frames made at the same time: compressing is done by the threads of libuv. */
const AHEAD = 6;
const ZEROES = Buffer.alloc(FRAME_DATA_LIMIT);

const image = await open((workerData as { image: string }).image, 'r');
const memory = Array.from({ length: AHEAD }, () => Buffer.allocUnsafeSlow(FRAME_DATA_LIMIT));

/** A piece while its frames are made; they are digested in order, as soon as those before are there. */
interface Piece {
  readonly frames: Uint8Array[];
  readonly count: number;
  readonly hash: Hash;
  hashed: number;
  readonly made: PromiseWithResolvers<void>;
}

const waiting: { readonly piece: Piece; readonly number: number; readonly offset: number; readonly length: number }[] = [];
let working = 0;

const frameAt = async (offset: number, length: number): Promise<Uint8Array> => {
  const buffer = memory.pop()!;
  const data = buffer.subarray(0, length);
  await image.read(data, 0, length, offset);
  const isZero = data.equals(ZEROES.subarray(0, length));
  const extent: FrameExtent = { offset, length, kind: isZero ? 'zero' : 'data' };
  const frame = serializeFrame(await createFrame([extent], isZero ? new Uint8Array(0) : data));
  memory.push(buffer);
  return frame;
};

const work = async (): Promise<void> => {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { piece, number, offset, length } = next;
    piece.frames[number] = await frameAt(offset, length);
    for (; piece.frames[piece.hashed] !== undefined; piece.hashed += 1) piece.hash.update(piece.frames[piece.hashed]!);
    if (piece.hashed === piece.count) piece.made.resolve();
  }
  working -= 1;
};

const makePiece = async ({ start, end }: PieceWanted): Promise<MadePiece> => {
  const count = Math.ceil((end - start) / FRAME_DATA_LIMIT);
  const piece: Piece = { frames: [], count, hash: createHash('sha256'), hashed: 0, made: Promise.withResolvers() };
  for (let number = 0; number < count; number += 1) {
    const offset = start + number * FRAME_DATA_LIMIT;
    waiting.push({ piece, number, offset, length: Math.min(FRAME_DATA_LIMIT, end - offset) });
  }
  for (; working < AHEAD; working += 1) work().catch(piece.made.reject);
  await piece.made.promise;
  return { frames: piece.frames, digest: piece.hash.digest() };
};

let order: Promise<void> = Promise.resolve();
parentPort!.on('message', (wanted: PieceWanted | 'end') => {
  // The next one is made while this one is still under way.
  const making = wanted === 'end' ? undefined : makePiece(wanted);
  order = order.then(async () => {
    const piece = await making;
    if (piece === undefined) {
      await image.close();
      parentPort!.close();
      return;
    }
    // Small ones share their memory with others, and are copied.
    const owned = piece.frames
      .filter(({ byteLength, buffer }) => byteLength === buffer.byteLength)
      .map(({ buffer }) => buffer as ArrayBuffer);
    parentPort!.postMessage(piece, owned);
  });
});
