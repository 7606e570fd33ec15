import { BLOCK_SIZE } from '@holdfast/block';

const ZEROES = Buffer.alloc(BLOCK_SIZE);

const isZero = (block: Uint8Array): boolean =>
  block[0] === 0 && Buffer.compare(block, block.length === BLOCK_SIZE ? ZEROES : ZEROES.subarray(0, block.length)) === 0;

/** Splits `data`, which starts at a block, into runs of blocks that are all zero or all not. The last block may be short. */
export function* zeroRuns(data: Uint8Array): IterableIterator<{ readonly at: number; readonly length: number; readonly zero: boolean }> {
  const zeroAt = (at: number): boolean => isZero(data.subarray(at, Math.min(at + BLOCK_SIZE, data.length)));
  for (let at = 0; at < data.length; ) {
    const zero = zeroAt(at);
    let next = at + BLOCK_SIZE;
    let nextZero = zero;
    while (next < data.length && nextZero === zero) {
      nextZero = zeroAt(next);
      if (nextZero === zero) next += BLOCK_SIZE;
    }
    const end = Math.min(next, data.length);
    yield { at, length: end - at, zero };
    at = end;
  }
}
