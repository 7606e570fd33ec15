import type { PointChange } from '@holdfast/vault';
import { signalOf, type Writing } from './write-signal.ts';

const at = (time: number, id = String(time)): PointChange => ({ point: { id, time } }) as PointChange;
const writing = (from: number, to: number, before: number | undefined, suspicious: boolean): Writing => ({
  writing: {
    first: at(from),
    last: at(to),
    before: before === undefined ? undefined : at(before),
    dataBytes: 1,
    incompressibleBytes: 1,
    usualBytes: 0,
  },
  message: { suspicious },
});

describe('what the signal says of a point', () => {
  const writings = [writing(100, 200, 90, true), writing(10, 20, undefined, false)];
  it.each([
    [9, false, false, false],
    [10, true, false, false],
    [90, false, false, true],
    [100, true, true, false],
    [200, true, true, false],
    [201, false, false, false],
  ])('of %i: unusual %s, suspicious %s, last before %s', (time, unusual, suspicious, lastBeforeUnusual) => {
    expect(signalOf(writings, { id: String(time), time })).toEqual({ unusual, suspicious, lastBeforeUnusual });
  });
});
