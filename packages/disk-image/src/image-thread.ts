// A thread that digests and writes an image, in the order in which its pieces come. See image-writer.ts.
import { parentPort, workerData } from 'node:worker_threads';
import { serveThread } from '@holdfast/block';
import { createImageSink, type SinkResult } from './image-sink.ts';

export type ImagePiece = { readonly hole: number } | { readonly data: Uint8Array } | 'end';

/** What became of a piece; of the end: of the image. Told in the order of the pieces. */
export interface PieceDone {
  readonly failure?: { readonly message: string; readonly code: string | undefined };
  readonly result?: SinkResult;
}

const sink = createImageSink((workerData as { fd: number }).fd);

const take = async (piece: ImagePiece): Promise<PieceDone> => {
  try {
    if (piece === 'end') {
      sink.close();
      return { result: sink.end() };
    }
    if ('hole' in piece) sink.hole(piece.hole);
    else await sink.data(piece.data);
    return {};
  } catch (reason) {
    const { message, code } = reason as NodeJS.ErrnoException;
    return { failure: { message, code } };
  }
};

serveThread((piece: ImagePiece, before) => {
  const taken = take(piece);
  return before.then(async () => parentPort!.postMessage(await taken));
});
