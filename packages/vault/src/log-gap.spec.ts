import { slotsToRead } from './log-gap.ts';

describe('the slots that are to be read', () => {
  it('are those that are there and those that are missing, without what was lost', () => {
    expect([...slotsToRead({ first: 2, last: 9 }, [0, 1, 2, 3, 7, 9, 10], [])]).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    expect([...slotsToRead({ first: 2, last: 9 }, [2, 3, 7, 9], [{ first: 3, last: 5 }])]).toEqual([2, 6, 7, 8, 9]);
    expect([...slotsToRead({ first: 0, last: -1 }, [], [])]).toEqual([]);
    expect([...slotsToRead({ first: 3, last: 3 }, [], [{ first: 3, last: 2 ** 52 }])]).toEqual([]);
  });

  it('are not as many as anybody says', () => {
    const read = [...slotsToRead({ first: 1, last: 2 ** 52 }, [1, 2, 5_000_000], [])];
    expect(read).toHaveLength(2003);
    expect(read.slice(0, 3)).toEqual([1, 2, 3]);
    expect(read.includes(5_000_000)).toBe(true);
  });
});
