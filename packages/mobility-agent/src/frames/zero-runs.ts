import { BLOCK_SIZE } from '@holdfast/block';

const ZEROES = Buffer.alloc(BLOCK_SIZE);

export interface ZeroRun {
  readonly at: number;
  readonly length: number;
  readonly zero: boolean;
}

/** Splits `data`, which starts at a block, into runs of blocks that are all zero or all not. The last block may be short. */
export const zeroRuns = (data: Uint8Array): ZeroRun[] => {
  const runs: ZeroRun[] = [];
  for (let at = 0; at < data.length; ) {
    const zero = isZero(data, at);
    let next = at + BLOCK_SIZE;
    while (next < data.length && isZero(data, next) === zero) next += BLOCK_SIZE;
    const end = Math.min(next, data.length);
    runs.push({ at, length: end - at, zero });
    at = end;
  }
  return runs;
};

/** Of the block that begins there. Most are told by their first byte. */
const isZero = (data: Uint8Array, at: number): boolean => {
  if (data[at] !== 0) return false;
  const block = data.subarray(at, at + BLOCK_SIZE);
  return Buffer.compare(block, block.length === BLOCK_SIZE ? ZEROES : ZEROES.subarray(0, block.length)) === 0;
};
