import { createHash } from 'node:crypto';
import fs from 'node:fs';

/** What became of an image. */
export interface SinkResult {
  /** Bytes of the file. */
  readonly size: number;
  /** Bytes of it that are no hole. */
  readonly written: number;
  /** SHA-256 of the whole file, hexadecimal. */
  readonly sha256: string;
}

/** Takes an image from its first byte to its last, without waiting for what was given before. */
export interface ImageSink {
  hole(length: number): void;
  /** Resolves when the bytes are written. Errors: those of the system. */
  data(bytes: Uint8Array): Promise<void>;
  end(): SinkResult;
  close(): void;
}

/** Holes are of this size or larger; that of a block of nearly every file system. */
const HOLE = 64 * 1024;
/** What is written past the page cache is whole pieces of this size: no block of a disk is larger. */
const DIRECT = 4096;
const REFUSALS = ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'];
const ZEROES = Buffer.alloc(1024 * 1024);

/**
 * Writes into an open file, with holes where the image is zero, and digests it meanwhile. Bytes in memory that threads share go past the page cache where
 * the system allows it (pageBuffers): an image is larger than what anybody wants to keep of it there, and copying it there costs as much as all else.
 */
export const createImageSink = (fd: number): ImageSink => {
  const hash = createHash('sha256');
  let direct = openDirect(fd);
  let size = 0;
  let written = 0;

  const write = async (data: Uint8Array, from: number, to: number, at: number): Promise<void> => {
    const isWhole = [data.byteOffset + from, to - from, at].every((number) => number % DIRECT === 0);
    if (direct !== undefined && isWhole && data.buffer instanceof SharedArrayBuffer) {
      try {
        await writeAll(direct, data, from, to, at);
        return;
      } catch (reason) {
        // Memory, a disk or a file system that wants it otherwise.
        if (!REFUSALS.includes((reason as NodeJS.ErrnoException).code ?? '')) throw reason;
      }
    }
    await writeAll(fd, data, from, to, at);
  };

  return {
    hole: (length) => {
      for (let at = 0; at < length; at += ZEROES.length) hash.update(ZEROES.subarray(0, Math.min(ZEROES.length, length - at)));
      size += length;
    },
    data: async (data) => {
      const writing = runsOf(data).map(([from, to]) => {
        written += to - from;
        return write(data, from, to, size + from);
      });
      size += data.length;
      const all = Promise.all(writing);
      // While it is written.
      hash.update(data);
      await all;
    },
    end: () => ({ size, written, sha256: hash.digest('hex') }),
    close: () => {
      if (direct !== undefined) fs.closeSync(direct);
      direct = undefined;
    },
  };
};

/** From where to where there is something else than zeroes: runs of pieces that are not all zero. */
const runsOf = (data: Uint8Array): [number, number][] => {
  const runs: [number, number][] = [];
  let start = 0;
  for (let at = 0; at < data.length; at += HOLE) {
    const piece = data.subarray(at, at + HOLE);
    if (ZEROES.compare(piece, 0, piece.length, 0, piece.length) !== 0) continue;
    if (at > start) runs.push([start, at]);
    start = at + piece.length;
  }
  if (data.length > start) runs.push([start, data.length]);
  return runs;
};

/** The file once more, opened to be written past the page cache. */
const openDirect = (fd: number): number | undefined => {
  const { O_DIRECT, O_WRONLY } = fs.constants;
  if (O_DIRECT === undefined) return undefined;
  try {
    return fs.openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_DIRECT);
  } catch {
    return undefined;
  }
};

const writeAll = async (fd: number, data: Uint8Array, from: number, to: number, at: number): Promise<void> => {
  for (let done = from; done < to; ) done += await writeSome(fd, data, done, to - done, at + done - from);
};

const writeSome = (fd: number, data: Uint8Array, from: number, length: number, at: number): Promise<number> =>
  new Promise((resolve, reject) => {
    fs.write(fd, data, from, length, at, (reason, count) => (reason === null ? resolve(count) : reject(reason)));
  });
