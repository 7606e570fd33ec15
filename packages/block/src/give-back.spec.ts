import { giveBack } from './give-back.ts';

describe('giving memory back', () => {
  it('empties what has a buffer to itself, but for a header, and leaves alone what shares one', () => {
    const own = Buffer.allocUnsafeSlow(64 * 1024);
    const shared = Buffer.allocUnsafeSlow(64 * 1024);
    const part = shared.subarray(65);
    const headed = Buffer.allocUnsafeSlow(64 * 1024).subarray(64);
    const threads = Buffer.from(new SharedArrayBuffer(64 * 1024));
    const pooled = Buffer.from('small');
    giveBack(own, part, headed, threads, pooled);
    expect([own, headed, part, shared, threads, pooled].map(({ length }) => length)).toEqual([0, 0, 65_471, 65_536, 65_536, 5]);
  });

  it('does so at once, without a collector', () => {
    const before = process.memoryUsage().arrayBuffers;
    for (let round = 0; round < 64; round += 1) giveBack(Buffer.alloc(8 * 1024 * 1024, 1));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
  });
});
