import { endThread, startThread } from '@holdfast/block';
import type { Piece } from './image-format.ts';
import { createImageSink, type SinkResult } from './image-sink.ts';
import type { ImagePiece, PieceDone } from './image-thread.ts';
import { CHUNKS_KEPT } from './read-chunks.ts';

/**
 * Writes an image, piece after piece. What is in memory that threads share is written while others are added: it may change once `CHUNKS_KEPT` more were;
 * anything else as soon as `add` resolved.
 */
export interface ImageWriter {
  /** Errors: those of the system, of this piece or of one before. */
  add(piece: Piece): Promise<void>;
  end(): Promise<SinkResult>;
  close(): Promise<void>;
}

/** Bytes of a disk from which a thread of its own pays. */
const WORTH_A_THREAD = 64 * 1024 * 1024;

/** Writes into an open file. Images of large disks are digested and written by a thread, while this one reads on. */
export const openImageWriter = (fd: number, diskSize: number): ImageWriter => {
  const thread = diskSize < WORTH_A_THREAD ? undefined : start(fd);
  if (thread === undefined) return writeHere(fd);
  /** What the thread has not answered to, and what came of the pieces given last, both oldest first. */
  const asked: PromiseWithResolvers<PieceDone>[] = [];
  const underWay: Promise<PieceDone>[] = [];
  /** Why it answers no more. */
  let gone: Error | undefined;
  const fail = (reason: Error): void => {
    gone ??= reason;
    for (const piece of asked.splice(0)) piece.reject(reason);
  };
  thread.on('message', (done: PieceDone) => asked.shift()?.resolve(done));
  thread.on('error', fail);
  thread.on('exit', () => fail(new Error('the thread that writes the image ended')));

  const ask = (piece: ImagePiece, handedOver: ArrayBuffer[] = []): void => {
    const answer = Promise.withResolvers<PieceDone>();
    // Told when it is waited for.
    answer.promise.catch(() => {});
    underWay.push(answer.promise);
    if (gone !== undefined) {
      answer.reject(gone);
      return;
    }
    asked.push(answer);
    thread.postMessage(piece, handedOver);
  };
  const settle = async (most: number): Promise<PieceDone> => {
    let done: PieceDone = {};
    while (underWay.length > most) {
      done = await underWay.shift()!;
      if (done.failure !== undefined) throw Object.assign(new Error(done.failure.message), { code: done.failure.code });
    }
    return done;
  };
  return {
    add: async (piece) => {
      if ('hole' in piece || piece.data.buffer instanceof SharedArrayBuffer) ask(piece);
      else {
        const copy = Uint8Array.from(piece.data);
        ask({ data: copy }, [copy.buffer]);
      }
      await settle(CHUNKS_KEPT);
    },
    end: async () => {
      await settle(0);
      ask('end');
      return (await settle(0)).result!;
    },
    close: () => endThread(thread),
  };
};

const start = (fd: number) => {
  try {
    return startThread('image-thread', import.meta.url, { fd });
  } catch {
    return undefined;
  }
};

const writeHere = (fd: number): ImageWriter => {
  const sink = createImageSink(fd);
  return {
    add: async (piece) => ('hole' in piece ? sink.hole(piece.hole) : sink.data(piece.data)),
    end: async () => sink.end(),
    close: async () => sink.close(),
  };
};
