import { HoldfastError } from '@holdfast/errors';
import { placeOf } from '../listener/place-of.ts';

/** Counts wrong secrets, so that somebody who tries many is noticed and told to stop. Right ones are never refused for the wrong ones of others. */
export interface Attempts {
  /**
   * A secret that can be guessed is about to be compared. Throws TOO_MANY_ATTEMPTS when too many were wrong within a minute; those that are being
   * compared count as wrong until they are found right, so that many at once are no more tries than many one by one.
   */
  guess(from: string): Guess;
  /** One more was wrong: gives the error to answer with, which is `error` or, when there were too many within a minute, TOO_MANY_ATTEMPTS. */
  wrong(from: string, error: HoldfastError): HoldfastError;
}

/** One comparison. */
export interface Guess {
  /** It was wrong: gives the error to answer with. */
  wrong(error: HoldfastError): HoldfastError;
  /** It is over; what was not said to be wrong was right. To be called in any case. */
  end(): void;
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
  /** Being compared, by place. */
  const pending = new Map<string, number>();

  const wrong = (from: string, error: HoldfastError): HoldfastError => {
    const name = placeOf(from);
    const known = places.get(name);
    const place = known !== undefined && now() - known.since < MINUTE ? known : { since: now(), count: 0 };
    place.count += 1;
    places.delete(name);
    places.set(name, place);
    const oldest = places.keys().next();
    if (places.size > MOST_PLACES && oldest.done !== true) places.delete(oldest.value);
    if (place.count <= perMinute) return error;
    return tooMany(from, place);
  };

  return {
    wrong,
    guess(from) {
      const name = placeOf(from);
      const known = places.get(name);
      const place = known !== undefined && now() - known.since < MINUTE ? known : { since: now(), count: 0 };
      const waiting = pending.get(name) ?? 0;
      if (place.count + waiting >= perMinute) throw tooMany(from, { since: place.since, count: place.count + waiting });
      pending.set(name, waiting + 1);
      let isOver = false;
      const end = (): void => {
        if (isOver) return;
        isOver = true;
        const left = (pending.get(name) ?? 1) - 1;
        if (left > 0) pending.set(name, left);
        else pending.delete(name);
      };
      return {
        end,
        wrong(error) {
          end();
          return wrong(from, error);
        },
      };
    },
  };
};
