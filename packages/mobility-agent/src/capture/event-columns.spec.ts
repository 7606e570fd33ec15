import { EventColumns } from './event-columns.ts';

describe('columns of events', () => {
  it('hold what was pushed, and no memory for a multitude that is gone', () => {
    const columns = new EventColumns();
    for (let at = 0; at < 300_000; at += 1) columns.push(at % 7, at % 512, at * 512, 4096, at, at % 2 === 1);
    const other = new EventColumns();
    other.take(columns, 299_999);
    expect([other.kinds[0], other.disks[0], other.offsets[0], other.lengths[0], other.times[0], other.flags[0]]).toEqual([
      299_999 % 7,
      299_999 % 512,
      299_999 * 512,
      4096,
      299_999,
      1,
    ]);
    columns.clear();
    expect([columns.count, columns.times.length]).toEqual([0, 4096]);
    for (let at = 0; at < 10_000; at += 1) columns.push(2, 1, at, 512, at, false);
    expect([columns.count, columns.offsets[9_999]]).toEqual([10_000, 9_999]);
    // What is usual is kept, and used again.
    const { times } = columns;
    columns.clear();
    expect(columns.times).toBe(times);
  });
});
