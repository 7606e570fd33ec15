import { readFileSync } from 'node:fs';
import { BLOCK_SIZE, type BlockSet } from '@holdfast/block';

/** Numbers of the blocks of a file in which not all bytes are zero: what was written to a disk that began as zeroes. */
export const nonZeroBlocks = (path: string): number[] => {
  const bytes = readFileSync(path);
  const zero = Buffer.alloc(BLOCK_SIZE);
  const blocks: number[] = [];
  for (let block = 0; block * BLOCK_SIZE < bytes.length; block += 1) {
    const content = bytes.subarray(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE);
    if (!content.equals(zero.subarray(0, content.length))) blocks.push(block);
  }
  return blocks;
};

export const blocksOf = (set: BlockSet): number[] =>
  [...set.runs()].flatMap(({ first, count }) => Array.from({ length: count }, (_, step) => first + step));
