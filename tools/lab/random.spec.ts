import fc from 'fast-check';
import { createRandom, randomBelow, sample } from './random.ts';

describe('choosing', () => {
  it('is named by the seed', () => {
    const numbers = (seed: number): number[] => Array.from({ length: 50 }, () => randomBelow(random(seed), 1000));
    const random = (seed: number) => createRandom(seed);
    expect(numbers(1)).toEqual(numbers(1));
    expect(numbers(1)).not.toEqual(numbers(2));
  });

  it('takes different elements in their order', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(20), fc.nat(20), (seed, length, count) => {
        const all = Array.from({ length }, (_, index) => index);
        const chosen = sample(createRandom(seed), all, count);
        expect(chosen).toHaveLength(Math.min(length, count));
        expect([...new Set(chosen)].sort((a, b) => a - b)).toEqual(chosen);
      }),
    );
  });
});
