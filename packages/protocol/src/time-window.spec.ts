import { isWithin, windowProblem } from './time-window.ts';

/** 2026-11-23 is a Monday. */
const at = (day: number, hour: number, minute = 0): Date => new Date(2026, 10, 22 + day, hour, minute);
const window = (fromMinute: number, toMinute: number, ...weekdays: number[]) => ({ weekdays, fromMinute, toMinute });

describe('a window of time', () => {
  it('begins with its first minute and ends before its last', () => {
    const office = window(8 * 60, 18 * 60, 1, 2, 3, 4, 5);
    expect([at(1, 7, 59), at(1, 8), at(1, 17, 59), at(1, 18), at(6, 12), at(7, 12)].map((one) => isWithin(office, one))).toEqual([
      false,
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it('may end on the next day, also on that after its last one', () => {
    const night = window(18 * 60, 6 * 60, 5);
    expect([at(5, 17, 59), at(5, 18), at(6, 5, 59), at(6, 6), at(5, 3), at(6, 19)].map((one) => isWithin(night, one))).toEqual([
      false,
      true,
      true,
      false,
      false,
      false,
    ]);
    expect([at(7, 23), at(1, 5), at(1, 7)].map((one) => isWithin(window(1200, 360, 7), one))).toEqual([true, true, false]);
  });

  it('is every day without days, and all day from midnight to midnight', () => {
    expect([at(3, 0), at(3, 23, 59)].map((one) => isWithin(window(0, 1440), one))).toEqual([true, true]);
  });

  it('is refused when it is none', () => {
    expect(windowProblem(window(0, 1440, 1, 7))).toBeUndefined();
    for (const wrong of [window(1440, 0), window(0, 1441), window(0, 1, 0), window(0, 1, 8), window(0, 1, 2, 2)])
      expect(windowProblem(wrong)).toEqual(expect.any(String));
  });
});
