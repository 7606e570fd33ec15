import { carryBallast } from './carry-ballast.ts';

const MIB = 1024 * 1024;

describe('ballast', () => {
  it('counts as memory, and takes none', () => {
    const before = process.memoryUsage();
    carryBallast(256 * MIB);
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeGreaterThan(128 * MIB);
    expect(after.rss - before.rss).toBeLessThan(128 * MIB);
  });
});
