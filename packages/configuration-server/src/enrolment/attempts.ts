import { HoldfastError } from '@holdfast/errors';

/** Counts wrong secrets, so that somebody who tries many is noticed and told to stop. Right ones are never refused for the wrong ones of others. */
export interface Attempts {
  /** Throws TOO_MANY_ATTEMPTS when too many were wrong within a minute: for secrets that can be guessed. */
  require(from: string): void;
  /** One more was wrong: gives the error to answer with, which is `error` or, when there were too many within a minute, TOO_MANY_ATTEMPTS. */
  wrong(from: string, error: HoldfastError): HoldfastError;
}

const MINUTE = 60_000;
/** Places remembered; beyond it the oldest are forgotten, so that nobody fills the memory from many addresses. */
const MOST_PLACES = 10_000;

/** Counts wrong secrets by the address they came from; `now` gives milliseconds that only grow. */
export const createAttempts = (perMinute: number, now: () => number = () => performance.now()): Attempts => {
  const places = new Map<string, { readonly since: number; count: number }>();
  const tooMany = (from: string, { since, count }: { readonly since: number; readonly count: number }): HoldfastError =>
    new HoldfastError('TOO_MANY_ATTEMPTS', {
      thing: `calls from ${from}`,
      why: `${count} wrong secrets came from there within a minute`,
      remedy: `try again in ${Math.ceil((since + MINUTE - now()) / 1000)} s with the right one`,
    });
  return {
    require(from) {
      const place = places.get(from);
      if (place !== undefined && now() - place.since < MINUTE && place.count >= perMinute) throw tooMany(from, place);
    },
    wrong(from, error) {
      const known = places.get(from);
      const place = known !== undefined && now() - known.since < MINUTE ? known : { since: now(), count: 0 };
      place.count += 1;
      places.delete(from);
      places.set(from, place);
      const oldest = places.keys().next();
      if (places.size > MOST_PLACES && oldest.done !== true) places.delete(oldest.value);
      if (place.count <= perMinute) return error;
      return tooMany(from, place);
    },
  };
};
