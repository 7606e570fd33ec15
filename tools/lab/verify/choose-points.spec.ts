import { choosePoints } from './choose-points.ts';

describe('choosing points', () => {
  it('always has the newest point, and as many others as there are', () => {
    expect(choosePoints([], 3, 1)).toEqual([]);
    expect(choosePoints(['a'], 3, 1)).toEqual([{ point: 'a', chosen: 'newest' }]);
    const chosen = choosePoints([...'abcdefgh'], 3, 1);
    expect(chosen.map(({ chosen: how }) => how)).toEqual(['random', 'random', 'random', 'newest']);
    expect(chosen.at(-1)?.point).toBe('h');
  });
});
