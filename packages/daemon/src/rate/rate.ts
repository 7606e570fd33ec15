/** Keeps what leaves below a rate, on average: whoever may go goes whole, and those behind wait for it to be made up for. */
export interface Rate {
  /** Milliseconds until something may leave; 0: now. To be asked again then: the rate may have changed. */
  wait(): number;
  /** So many bytes leave. */
  spend(bytes: number): void;
  /** The rate has changed: what has left before costs at most a second of the new one. */
  changed(): void;
}

/** Milliseconds after which to ask again at the latest. */
const LONGEST_WAIT = 1000;

/** `limit` tells the bytes a second of the moment, 0 for no limit; `now` milliseconds of a clock that never goes back. */
export const createRate = (limit: () => number, now: () => number = () => performance.now()): Rate => {
  /** Bytes that have left and are not made up for, as they were at `settled`. */
  let debt = 0;
  let settled = now();
  let last = limit();

  const settle = (): number => {
    const [time, rate] = [now(), limit()];
    debt = last === 0 ? 0 : Math.max(0, debt - (last * (time - settled)) / 1000);
    settled = time;
    if (rate !== last) debt = Math.min(debt, rate);
    last = rate;
    return rate;
  };

  return {
    wait() {
      const rate = settle();
      return debt === 0 ? 0 : Math.min(LONGEST_WAIT, Math.ceil((debt * 1000) / rate));
    },
    spend(bytes) {
      if (settle() > 0) debt += bytes;
    },
    changed: () => void settle(),
  };
};
