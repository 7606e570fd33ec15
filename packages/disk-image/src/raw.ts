import type { Encoding, Piece } from './image-format.ts';
import type { Chunk } from './read-chunks.ts';

/** The bytes of the disk, and nothing else. */
export const encodeRaw = (size: number, chunks: AsyncIterable<Chunk>): Encoding => ({ virtualSize: size, pieces: rawPieces(chunks) });

export async function* rawPieces(chunks: AsyncIterable<Chunk>): AsyncGenerator<Piece> {
  for await (const { data, length } of chunks) yield data === undefined ? { hole: length } : { data };
}
