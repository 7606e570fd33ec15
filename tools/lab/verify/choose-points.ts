import { createRandom, sample } from '../random.ts';

export interface ChosenPoint<T> {
  readonly point: T;
  readonly chosen: 'newest' | 'random';
}

/** The newest point and `others` random ones (fewer where there are fewer), oldest first. `points` are in order, oldest first. */
export const choosePoints = <T>(points: readonly T[], others: number, seed: number): ChosenPoint<T>[] => {
  const newest = points.at(-1);
  if (newest === undefined) return [];
  const random = sample(createRandom(seed), points.slice(0, -1), others);
  return [...random.map((point): ChosenPoint<T> => ({ point, chosen: 'random' })), { point: newest, chosen: 'newest' }];
};
