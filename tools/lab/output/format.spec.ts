import { formatBytes, formatRate, formatSeconds } from './format.ts';

describe('numbers for people', () => {
  it('have few digits and a unit', () => {
    expect([0, 1023, 1024, 1536, 800 * 2 ** 20, 1.5 * 2 ** 30].map(formatBytes)).toEqual([
      '0 bytes',
      '1023 bytes',
      '1.0 KiB',
      '1.5 KiB',
      '800 MiB',
      '1.5 GiB',
    ]);
    expect([0, 1.25e6, 83.4e6].map(formatRate)).toEqual(['0.0 MB/s', '1.3 MB/s', '83 MB/s']);
    expect([0.44, 12.4, 200, 7500].map(formatSeconds)).toEqual(['0.4 s', '12 s', '3 min 20 s', '2 h 5 min']);
  });
});
