// A thread that makes the frames of a disk image, a piece for each message it gets, as an agent on another machine does: it reads, compares with
// zeroes, digests, compresses. Frames are handed over, not copied.
import { createHash } from 'node:crypto';
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

const makePiece = async ({ start, end }: PieceWanted): Promise<MadePiece> => {
  const frames: Uint8Array[] = [];
  let next = start;
  const work = async (): Promise<void> => {
    while (next < end) {
      const offset = next;
      next += FRAME_DATA_LIMIT;
      frames[(offset - start) / FRAME_DATA_LIMIT] = await frameAt(offset, Math.min(FRAME_DATA_LIMIT, end - offset));
    }
  };
  await Promise.all(Array.from({ length: AHEAD }, work));
  const hash = createHash('sha256');
  for (const frame of frames) hash.update(frame);
  return { frames, digest: hash.digest() };
};

let order: Promise<void> = Promise.resolve();
parentPort!.on('message', (wanted: PieceWanted | 'end') => {
  order = order.then(async () => {
    if (wanted === 'end') {
      await image.close();
      parentPort!.close();
      return;
    }
    const piece = await makePiece(wanted);
    // Small ones share their memory with others, and are copied.
    const owned = piece.frames
      .filter(({ byteLength, buffer }) => byteLength === buffer.byteLength)
      .map(({ buffer }) => buffer as ArrayBuffer);
    parentPort!.postMessage(piece, owned);
  });
});
