/** A stream of pseudo-random numbers in [0, 1) that a seed names for ever (mulberry32); for choosing, never for secrets. */
export type Random = () => number;

export const createRandom = (seed: number): Random => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
};

/** An integer from 0 to `limit` - 1. */
export const randomBelow = (random: Random, limit: number): number => Math.floor(random() * limit);

/** `count` different elements (all, when there are fewer), in their original order. */
export const sample = <T>(random: Random, from: readonly T[], count: number): T[] => {
  const left = from.map((_, index) => index);
  const chosen: number[] = [];
  while (chosen.length < count && left.length > 0) chosen.push(...left.splice(randomBelow(random, left.length), 1));
  return chosen.sort((a, b) => a - b).map((index) => from[index]!);
};
