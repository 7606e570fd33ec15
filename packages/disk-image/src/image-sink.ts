import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';

/** What became of an image. */
export interface SinkResult {
  /** Bytes of the file. */
  readonly size: number;
  /** Bytes of it that are no hole. */
  readonly written: number;
  /** SHA-256 of the whole file, hexadecimal. */
  readonly sha256: string;
}

/** Takes an image from its first byte to its last. */
export interface ImageSink {
  hole(length: number): void;
  data(bytes: Uint8Array): void;
  end(): SinkResult;
}

/** Holes are of this size or larger; that of a block of nearly every file system. */
const HOLE = 64 * 1024;
const ZEROES = Buffer.alloc(1024 * 1024);

/** Writes into an open file, with holes where the image is zero, and digests it. Synchronous. Errors: those of the system. */
export const createImageSink = (fd: number): ImageSink => {
  const hash = createHash('sha256');
  let size = 0;
  let written = 0;
  const write = (data: Uint8Array, from: number, to: number): void => {
    for (let at = from; at < to; ) at += writeSync(fd, data, at, to - at, size + at);
    written += to - from;
  };
  return {
    hole: (length) => {
      for (let at = 0; at < length; at += ZEROES.length) hash.update(ZEROES.subarray(0, Math.min(ZEROES.length, length - at)));
      size += length;
    },
    data: (data) => {
      hash.update(data);
      // Runs of pieces that are not all zero, each run at once.
      let start = 0;
      for (let at = 0; at < data.length; at += HOLE) {
        const piece = data.subarray(at, at + HOLE);
        if (ZEROES.compare(piece, 0, piece.length, 0, piece.length) !== 0) continue;
        write(data, start, at);
        start = at + piece.length;
      }
      write(data, start, data.length);
      size += data.length;
    },
    end: () => ({ size, written, sha256: hash.digest('hex') }),
  };
};
