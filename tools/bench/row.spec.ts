import { createRow, median } from './row.ts';

const what = { measure: 'append', unit: 'MB/s' };

describe('a row', () => {
  it('compares with what was measured right beside it, and is judged by the median ratio', () => {
    const row = createRow(
      what,
      [100, 220, 90, 400, 110],
      { name: 'the pipe', samples: [100, 200, 100, 400, 100] },
      { goal: { atLeast: 1 }, stretch: { atLeast: 1.3 } },
    );
    expect(row).toEqual({
      ...what,
      value: 110,
      against: 'the pipe',
      ratio: 1,
      spread: [0.9, 1.1],
      goal: '>= 1',
      stretch: '>= 1.3',
      met: 'goal',
    });
  });

  it('without anything to compare with is judged by its value', () => {
    const row = createRow({ measure: 'RSS', unit: 'MB' }, [300, 340, 400], undefined, { goal: { atMost: 350 } });
    expect(row).toMatchObject({ value: 340, against: null, ratio: null, spread: [300, 400], goal: '<= 350', stretch: null, met: 'goal' });
  });

  it.each([
    [{ goal: { atLeast: 5 } }, 'missed'],
    [{ goal: { atLeast: 4 } }, 'goal'],
    [{ goal: { atMost: 3 } }, 'missed'],
    [{ goal: { atMost: 5 }, stretch: { atMost: 4 } }, 'stretch'],
    [{ stretch: { atMost: 1 } }, null],
    [{}, null],
  ] as const)('with %j has met: %s', (promised, met) => {
    expect(createRow(what, [4], undefined, promised).met).toBe(met);
  });

  it('has the median of an odd and an even number of samples', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(() => median([])).toThrow('the median of nothing');
  });
});
