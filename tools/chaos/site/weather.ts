import type { Mishap } from '../../azurite/faulty-proxy.ts';
import { createRandom } from '../../lab/random.ts';

/** How the store answers for a while: which mishaps, and to which part of the requests they come. */
export interface Weather {
  readonly name: string;
  readonly mishaps: readonly Mishap[];
  readonly part: number;
}

/** Everything that stores do to their users. */
export const STORMS: readonly Weather[] = [
  { name: 'is busy', mishaps: ['busy'], part: 1 },
  { name: 'is busy now and then', mishaps: ['busy', 'reset'], part: 0.3 },
  { name: 'loses answers', mishaps: ['lose-answer', 'break-answer'], part: 0.3 },
  { name: 'stalls', mishaps: ['stall'], part: 0.3 },
  { name: 'does not answer at all', mishaps: ['stall'], part: 1 },
  { name: 'carries out late what it seemed to forget', mishaps: ['late'], part: 0.2 },
  { name: 'spoils what it is sent', mishaps: ['flip'], part: 0.1 },
];

export interface Sky {
  /** Undefined: all is well. */
  weather: Weather | undefined;
  /** For the proxy. */
  plan(index: number, method: string): Mishap;
}

/** A flipped bit is for what is written alone: the proxy flips what it is sent. */
const suits = (mishap: Mishap, method: string): boolean => mishap !== 'flip' || method === 'PUT';

export const createSky = (seed: number): Sky => {
  const random = createRandom(seed);
  const sky: Sky = {
    weather: undefined,
    plan(_index, method) {
      const { weather } = sky;
      if (weather === undefined || random() >= weather.part) return 'pass';
      const mishap = weather.mishaps[Math.floor(random() * weather.mishaps.length)]!;
      return suits(mishap, method) ? mishap : 'pass';
    },
  };
  return sky;
};
