import { closeSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { BLOCK_SIZE, digestBlocks } from '@holdfast/block';
import { createRandom, randomBelow } from '../random.ts';
import { STAMP_SIZE, writeStamp } from '../workload/stamp.ts';

/** An image file that is written to in bursts; between them what it holds is known. */
export interface ImageFile {
  /** Writes stamped blocks and empties some. */
  burst(): void;
  /** Digests of all blocks as they are now. */
  digests(): Uint8Array;
  close(): void;
}

/** Blocks one burst writes. */
const BURST = 400;
/** Of so many written blocks one is emptied. */
const EMPTY_EVERY = 8;
const CHUNK = 4 << 20;

/** Makes an image of `size` bytes, a third of which is written. */
export const createImageFile = (file: string, size: number, seed: number): ImageFile => {
  const descriptor = openSync(file, 'wx+', 0o600);
  ftruncateSync(descriptor, size);
  const random = createRandom(seed);
  const block = Buffer.alloc(STAMP_SIZE);
  const blocks = Math.floor(size / BLOCK_SIZE);
  let sequence = 0;
  const write = (index: number): void => {
    sequence += 1;
    if (sequence % EMPTY_EVERY === 0) block.fill(0);
    else writeStamp({ file: seed, block: index, sequence, time: process.hrtime.bigint() }, block);
    writeSync(descriptor, block, 0, STAMP_SIZE, index * STAMP_SIZE);
  };
  for (let index = 0; index < blocks / 3; index += 1) write(index);
  fsyncSync(descriptor);
  return {
    burst: () => {
      for (let count = 0; count < BURST; count += 1) write(randomBelow(random, blocks));
      fsyncSync(descriptor);
    },
    digests: () => {
      const parts: Uint8Array[] = [];
      const buffer = Buffer.alloc(CHUNK);
      for (let at = 0; at < size; ) {
        const read = readSync(descriptor, buffer, 0, CHUNK, at);
        parts.push(digestBlocks(buffer.subarray(0, read)));
        at += read;
      }
      return Buffer.concat(parts);
    },
    close: () => closeSync(descriptor),
  };
};
