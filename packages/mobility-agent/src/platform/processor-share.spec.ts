import { createShareJudge } from './processor-share.ts';

describe('a share of processors', () => {
  /** What the judge says after each of these demands. */
  const judged = (processors: number, ...demands: readonly number[]): boolean[] => {
    const isEnough = createShareJudge(processors);
    return demands.map(isEnough);
  };
  const times = (count: number, demand: number): number[] => Array.from({ length: count }, () => demand);

  it('is enough once little was needed for long', () => {
    expect(judged(2, ...times(10, 0.9))).toEqual([...times(9, 0).map(() => false), true]);
    expect(judged(2, ...times(30, 1)).at(-1)).toBe(false);
  });

  it('stays enough while a cut needs all of it for a moment', () => {
    expect(judged(1, ...times(10, 0), 1.4, 1, 0.3, 1, 2, 0).at(-1)).toBe(true);
  });

  it('is too small when all of it was needed three times in turn, until that was over for long', () => {
    const busy = [...times(10, 0), 0.95, 1.2, 0.9];
    expect(judged(1, ...busy).slice(-2)).toEqual([true, false]);
    expect(judged(1, ...busy, ...times(9, 0)).at(-1)).toBe(false);
    expect(judged(1, ...busy, ...times(10, 0)).at(-1)).toBe(true);
  });
});
