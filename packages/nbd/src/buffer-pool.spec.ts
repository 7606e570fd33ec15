import { createBufferPool } from './buffer-pool.ts';

const KIB = 1024;

test('a large buffer is used again once it was released, never before', () => {
  const pool = createBufferPool(10 * 1024 * KIB);
  const first = pool.take(100 * KIB);
  const second = pool.take(100 * KIB);
  expect(first.bytes).toHaveLength(100 * KIB);
  expect(second.bytes.buffer).not.toBe(first.bytes.buffer);
  first.release();
  const third = pool.take(128 * KIB);
  expect(third.bytes).toHaveLength(128 * KIB);
  expect(third.bytes.buffer).toBe(first.bytes.buffer);
  expect(pool.take(128 * KIB).bytes.buffer).not.toBe(third.bytes.buffer);
  expect(pool.take(200 * KIB).bytes).toHaveLength(200 * KIB);
});

test('no more is kept than allowed', () => {
  const pool = createBufferPool(128 * KIB);
  const taken = [pool.take(128 * KIB), pool.take(128 * KIB)];
  for (const buffer of taken) buffer.release();
  expect(pool.take(128 * KIB).bytes.buffer).toBe(taken[0]!.bytes.buffer);
  expect(pool.take(128 * KIB).bytes.buffer).not.toBe(taken[1]!.bytes.buffer);
});
