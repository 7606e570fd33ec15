import fc from 'fast-check';
import { createRate } from './rate.ts';

describe('a rate', () => {
  it('over any time lets no more leave than it says, and one piece', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.array(fc.tuple(fc.nat(500), fc.integer({ min: 1, max: 5000 })), { minLength: 1 }),
        (limit, steps) => {
          let now = 0;
          const rate = createRate(
            () => limit,
            () => now,
          );
          let left = 0;
          for (const [passing, bytes] of steps) {
            now += passing;
            if (rate.wait() > 0) continue;
            expect(left).toBeLessThanOrEqual((limit * now) / 1000 + 5000);
            rate.spend(bytes);
            left += bytes;
          }
        },
      ),
    );
  });

  it('lets the next go in time', () => {
    let now = 0;
    const rate = createRate(
      () => 1000,
      () => now,
    );
    for (let piece = 0; piece < 10; piece += 1) {
      expect(rate.wait()).toBe(0);
      rate.spend(500);
      expect(rate.wait()).toBe(500);
      now += 500;
    }
  });

  it('follows its limit', () => {
    let now = 0;
    let limit = 0;
    const rate = createRate(
      () => limit,
      () => now,
    );
    rate.spend(1_000_000);
    expect(rate.wait()).toBe(0);
    limit = 1000;
    rate.spend(1_000_000);
    // To be asked again before it is made up for.
    expect(rate.wait()).toBe(1000);
    limit = 100_000;
    expect(rate.wait()).toBe(1000);
    now = 1000;
    expect(rate.wait()).toBe(0);
    rate.spend(1_000_000);
    limit = 0;
    expect(rate.wait()).toBe(0);
  });
});
