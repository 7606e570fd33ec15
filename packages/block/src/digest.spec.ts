import { createHash } from 'node:crypto';
import { DIGEST_SIZE, digestBlock, digestBlocks } from './digest.ts';
import { BLOCK_SIZE } from './geometry.ts';

const expected = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest().subarray(0, 16);

test('a digest is the first half of SHA-256, written where it is asked for', () => {
  const target = new Uint8Array(40).fill(9);
  digestBlock(Buffer.from('abc'), target, 20);
  expect(Buffer.from(target.subarray(20, 36)).toString('hex')).toBe('ba7816bf8f01cfea414140de5dae2223');
  expect([...target.subarray(0, 20), ...target.subarray(36)].every((byte) => byte === 9)).toBe(true);
});

test('every block has its digest, the short last one too', () => {
  const data = Buffer.alloc(2 * BLOCK_SIZE + 77, 'holdfast');
  const parts = [data.subarray(0, BLOCK_SIZE), data.subarray(BLOCK_SIZE, 2 * BLOCK_SIZE), data.subarray(2 * BLOCK_SIZE)];
  expect(Buffer.from(digestBlocks(data))).toEqual(Buffer.concat(parts.map(expected)));
  expect(digestBlocks(new Uint8Array(0))).toHaveLength(0);
  expect(digestBlocks(data.subarray(0, BLOCK_SIZE))).toHaveLength(DIGEST_SIZE);
});
