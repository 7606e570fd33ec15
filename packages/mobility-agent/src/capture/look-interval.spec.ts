import { lookInterval } from './look-interval.ts';

const MIB = 1024 * 1024;

describe('looks at the rings', () => {
  it('come more often where these are small, within bounds', () => {
    expect([16, 8, 4, 1, 0].map((mebibytes) => Math.round(lookInterval(mebibytes * MIB)))).toEqual([50, 26, 13, 10, 10]);
  });
});
