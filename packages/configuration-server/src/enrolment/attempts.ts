import { HoldfastError } from '@holdfast/errors';

/** Slows down whoever guesses secrets. */
export interface Attempts {
  /** Throws TOO_MANY_ATTEMPTS when too many wrong ones came from there within the last minute. */
  check(from: string): void;
  /** One more was wrong. */
  wrong(from: string): void;
}

const MINUTE = 60_000;
/** Places remembered; beyond it the oldest are forgotten, so that nobody fills the memory from many addresses. */
const MOST_PLACES = 10_000;

/** Counts wrong secrets by the address they came from; `now` gives milliseconds that only grow. */
export const createAttempts = (perMinute: number, now: () => number = () => performance.now()): Attempts => {
  const places = new Map<string, { readonly since: number; count: number }>();
  return {
    check(from) {
      const place = places.get(from);
      if (place === undefined || place.count < perMinute) return;
      const left = place.since + MINUTE - now();
      if (left <= 0) {
        places.delete(from);
        return;
      }
      throw new HoldfastError('TOO_MANY_ATTEMPTS', {
        thing: `calls from ${from}`,
        why: `${place.count} wrong tokens came from there within a minute`,
        remedy: `try again in ${Math.ceil(left / 1000)} s with the right one`,
      });
    },
    wrong(from) {
      const place = places.get(from);
      if (place !== undefined && now() - place.since < MINUTE) {
        place.count += 1;
        return;
      }
      places.delete(from);
      places.set(from, { since: now(), count: 1 });
      const oldest = places.keys().next();
      if (places.size > MOST_PLACES && oldest.done !== true) places.delete(oldest.value);
    },
  };
};
