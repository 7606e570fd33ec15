import { startThread } from '@holdfast/block';
import type { Piece } from './image-format.ts';
import { createImageSink, type SinkResult } from './image-sink.ts';
import type { ImagePiece, PieceDone } from './image-thread.ts';

/** Writes an image, piece after piece; what a piece holds may change once `add` resolved. */
export interface ImageWriter {
  /** Errors: those of the system. */
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
  let answer = Promise.withResolvers<PieceDone>();
  thread.on('message', (done: PieceDone) => answer.resolve(done));
  thread.on('error', (reason) => answer.reject(reason));
  thread.on('exit', () => answer.reject(new Error('the thread that writes the image ended')));
  answer.promise.catch(() => {});
  const ask = async (piece: ImagePiece, handedOver: ArrayBuffer[] = []): Promise<PieceDone> => {
    thread.postMessage(piece, handedOver);
    const done = await answer.promise;
    answer = Promise.withResolvers();
    answer.promise.catch(() => {});
    if (done.failure !== undefined) throw Object.assign(new Error(done.failure.message), { code: done.failure.code });
    return done;
  };
  return {
    add: async (piece) => {
      if ('hole' in piece) await ask(piece);
      else if (piece.data.buffer instanceof SharedArrayBuffer) await ask({ data: piece.data });
      else {
        const copy = Uint8Array.from(piece.data);
        await ask({ data: copy }, [copy.buffer]);
      }
    },
    end: async () => (await ask('end')).result!,
    close: async () => {
      await thread.terminate();
    },
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
    close: async () => {},
  };
};
