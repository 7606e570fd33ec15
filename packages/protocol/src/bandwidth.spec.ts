import { type BandwidthLimit, bytesPerSecondAt } from './bandwidth.ts';

/** 2026-11-23 is a Monday. */
const at = (weekday: number, hour: number, minute = 0): Date => new Date(2026, 10, 22 + weekday, hour, minute);

const office: BandwidthLimit = { window: { weekdays: [1, 2, 3, 4, 5], fromMinute: 8 * 60, toMinute: 18 * 60 }, bytesPerSecond: 1000n };
const night: BandwidthLimit = { window: { weekdays: [], fromMinute: 22 * 60, toMinute: 6 * 60 }, bytesPerSecond: 0n };
const else5000: BandwidthLimit = { bytesPerSecond: 5000n };

describe('a schedule of bandwidth', () => {
  it('is what the first rule says that fits the moment', () => {
    const rules = [office, night, else5000];
    expect(
      [at(1, 7, 59), at(1, 8), at(5, 17, 59), at(5, 18), at(6, 12), at(6, 23), at(7, 5)].map((moment) => bytesPerSecondAt(rules, moment)),
    ).toEqual([5000, 1000, 1000, 5000, 5000, 0, 0]);
    expect(bytesPerSecondAt([else5000, office], at(1, 12))).toBe(5000);
  });

  it('limits nothing where no rule fits', () => {
    expect(bytesPerSecondAt([], at(1, 12))).toBe(0);
    expect(bytesPerSecondAt([office], at(6, 12))).toBe(0);
  });
});
