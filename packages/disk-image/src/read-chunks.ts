import { aborted } from 'node:util';
import { BLOCK_SIZE, type BlockDevice, type Extent } from '@holdfast/block';
import { isHoldfastError } from '@holdfast/errors';
import { pageBuffers } from './page-memory.ts';

/** A part of a disk, in order; `data` is absent where the disk holds nothing but zeroes. */
export interface Chunk {
  readonly offset: number;
  readonly length: number;
  readonly data: Buffer | undefined;
  /** What could not be read, and is zeroes in `data`. */
  readonly unreadable: readonly Extent[];
}

export interface ReadChunksOptions {
  /** Goes on behind what the source could not read, instead of failing. */
  readonly skipUnreadable: boolean;
  readonly signal: AbortSignal;
}

const CHUNK = 4 * 1024 * 1024;
/** Chunks read at the same time. */
const AHEAD = 8;
/** How many more chunks are given before the data of one is gone. */
export const CHUNKS_KEPT = 3;

/** The whole of a device from its first byte to its last, read ahead; a chunk's data is there until `CHUNKS_KEPT` more were given. Errors: those of the device; why the signal was aborted. */
export async function* readChunks(device: BlockDevice, options: ReadChunksOptions): AsyncGenerator<Chunk> {
  const ahead: Promise<Chunk>[] = [];
  // Used again and again: new ones would cost as much as reading into them. Other threads see them too: no copy for who writes them.
  const buffers = pageBuffers(AHEAD + CHUNKS_KEPT, Math.min(CHUNK, device.size));
  for (let next = 0; next < device.size || ahead.length > 0; ) {
    while (next < device.size && ahead.length < AHEAD) {
      const buffer = buffers.shift()!;
      buffers.push(buffer);
      const chunk = readChunk(device, next, buffer.subarray(0, Math.min(CHUNK, device.size - next)), options);
      // What is read ahead may fail and never be looked at.
      chunk.catch(() => {});
      ahead.push(chunk);
      next += CHUNK;
    }
    yield await unlessAborted(options.signal, ahead.shift()!);
  }
}

/** A read that never ends shall not keep anybody who wants to stop. */
const unlessAborted = (signal: AbortSignal, chunk: Promise<Chunk>): Promise<Chunk> => {
  signal.throwIfAborted();
  return Promise.race([
    chunk,
    aborted(signal, chunk).then((): never => {
      throw signal.reason;
    }),
  ]);
};

const readChunk = async (device: BlockDevice, offset: number, data: Buffer, { skipUnreadable }: ReadChunksOptions): Promise<Chunk> => {
  const { length } = data;
  if ((await device.allocated(offset, length)).length === 0) return { offset, length, data: undefined, unreadable: [] };
  try {
    await device.read(offset, data);
    return { offset, length, data, unreadable: [] };
  } catch (reason) {
    if (!skipUnreadable || !isHoldfastError(reason, 'UNREADABLE_EXTENT')) throw reason;
    return { offset, length, data, unreadable: await readAround(device, offset, data) };
  }
};

/** Reads block by block; what fails stays zero and is named. */
const readAround = async (device: BlockDevice, offset: number, data: Buffer): Promise<Extent[]> => {
  const unreadable: { offset: number; length: number }[] = [];
  for (let at = 0; at < data.length; at += BLOCK_SIZE) {
    const block = data.subarray(at, at + BLOCK_SIZE);
    try {
      await device.read(offset + at, block);
    } catch (reason) {
      if (!isHoldfastError(reason, 'UNREADABLE_EXTENT')) throw reason;
      block.fill(0);
      const last = unreadable.at(-1);
      if (last !== undefined && last.offset + last.length === offset + at) last.length += block.length;
      else unreadable.push({ offset: offset + at, length: block.length });
    }
  }
  return unreadable;
};
