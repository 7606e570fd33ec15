import { HoldfastError } from '@holdfast/errors';

/** How many calls somebody may make: so many a second for long, and four times as many at once. */
export interface CallPace {
  /** One more call of `who`. Throws TOO_MANY_CALLS. */
  require(who: string): void;
}

const AT_ONCE = 4;
/** Callers remembered; beyond it the oldest are forgotten, so that nobody fills the memory from many addresses. */
const MOST = 10_000;

/** Seconds after which a caller that was refused may try again; undefined for other errors. */
export const retryAfter = (error: unknown): number | undefined => seconds.get(error as object);
const seconds = new WeakMap<object, number>();

/** `kind` is what a caller is, in words: "person", "address". `now` gives milliseconds that only grow. */
export const createCallPace = (kind: string, perSecond: number, now: () => number = () => performance.now()): CallPace => {
  const callers = new Map<string, { room: number; at: number }>();
  return {
    require(who) {
      const at = now();
      const known = callers.get(who) ?? { room: perSecond * AT_ONCE, at };
      callers.delete(who);
      const room = Math.min(perSecond * AT_ONCE, known.room + ((at - known.at) * perSecond) / 1000);
      const isOne = room >= 1;
      callers.set(who, { room: isOne ? room - 1 : room, at });
      const oldest = callers.keys().next();
      if (callers.size > MOST && oldest.done !== true) callers.delete(oldest.value);
      if (isOne) return;
      const wait = Math.max(1, Math.ceil((1 - room) / perSecond));
      const error = new HoldfastError('TOO_MANY_CALLS', {
        thing: `calls of ${kind} ${who}`,
        why: `there are more than ${perSecond} a second`,
        remedy: `try again in ${wait} s; many things are told at once by lists and watches`,
      });
      seconds.set(error, wait);
      throw error;
    },
  };
};
