import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { DIGEST_SIZE, digestBlocks } from './digest.ts';
import { BLOCK_SIZE } from './geometry.ts';
import { COARSE_SPAN, coarsen, isUnknown, knownDigests, markZeroes, sameKnown, UNKNOWN_MARK } from './known-digests.ts';

const PER_COARSE = COARSE_SPAN / BLOCK_SIZE;

describe('digests as they are compared', () => {
  it('are those of the blocks, with marks for zeroes, however a zero block was digested', () => {
    const data = Buffer.concat([randomBytes(BLOCK_SIZE), Buffer.alloc(BLOCK_SIZE), randomBytes(BLOCK_SIZE), Buffer.alloc(100)]);
    const digests = knownDigests(data);
    const plain = digestBlocks(data);
    expect(digests.subarray(0, 16)).toEqual(plain.subarray(0, 16));
    expect(digests.subarray(16, 32)).toEqual(new Uint8Array(16));
    expect(digests.subarray(32, 48)).toEqual(plain.subarray(32, 48));
    expect(digests.subarray(48, 64)).toEqual(new Uint8Array(16));
    expect(markZeroes(plain.slice(), 100)).toEqual(digests);
    expect(markZeroes(plain.slice())).not.toEqual(digests);
  });

  it('are not known to be the same where one of them is unknown', () => {
    const unknown = new Uint8Array(DIGEST_SIZE).fill(UNKNOWN_MARK);
    const zero = new Uint8Array(DIGEST_SIZE);
    expect(isUnknown(unknown)).toBe(true);
    expect(sameKnown(unknown, unknown, 0)).toBe(false);
    expect(sameKnown(zero, unknown, 0)).toBe(false);
    expect(sameKnown(zero, zero, 0)).toBe(true);
  });

  it('agree coarsely exactly when they agree finely', () => {
    const blocks = fc.array(fc.tuple(fc.nat(2 * PER_COARSE + 9), fc.constantFrom(0, 1, 2, UNKNOWN_MARK)), { maxLength: 6 });
    fc.assert(
      fc.property(blocks, blocks, (left, right) => {
        const [a, b] = [left, right].map((changes) => {
          const digests = new Uint8Array((2 * PER_COARSE + 10) * DIGEST_SIZE);
          for (const [block, byte] of changes) digests.fill(byte, block * DIGEST_SIZE, (block + 1) * DIGEST_SIZE);
          return digests;
        }) as [Uint8Array, Uint8Array];
        const [coarseA, coarseB] = [coarsen(a), coarsen(b)];
        expect(coarseA.length).toBe(3 * DIGEST_SIZE);
        for (let coarse = 0; coarse < 3; coarse += 1) {
          let same = true;
          for (let block = coarse * PER_COARSE; block < Math.min((coarse + 1) * PER_COARSE, a.length / DIGEST_SIZE); block += 1)
            same &&= sameKnown(a, b, block);
          expect(sameKnown(coarseA, coarseB, coarse)).toBe(same);
        }
      }),
    );
  });
});
