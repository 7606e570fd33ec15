import { setTimeout as sleep } from 'node:timers/promises';

/** Growing waits between tries, each somewhere between half and all of its length, so that many machines do not come at one moment. */
export interface Waits {
  /** Milliseconds. */
  next(): number;
  /** Begins with the first again. */
  reset(): void;
}

/** `first` and `longest` are milliseconds; each wait is twice the one before. */
export const growingWaits = (first: number, longest: number, random: () => number = Math.random): Waits => {
  let wait = first;
  return {
    next() {
      const now = wait * (0.5 + random() / 2);
      wait = Math.min(longest, wait * 2);
      return now;
    },
    reset() {
      wait = first;
    },
  };
};

/** Longest single sleep: a machine that was asleep itself looks at its clock again after this. */
const LONGEST_SLEEP = 60_000;

/** Sleeps until a time of the clock on the wall, in milliseconds since 1970, or until one of the signals aborts. */
export const sleepUntil = async (time: number, ...signals: readonly AbortSignal[]): Promise<void> => {
  const signal = AbortSignal.any([...signals]);
  while (!signal.aborted && Date.now() < time)
    await sleep(Math.min(LONGEST_SLEEP, time - Date.now()), undefined, { signal }).catch(() => undefined);
};

/** Sleeps so many milliseconds, whatever becomes of the clock on the wall meanwhile, or until one of the signals aborts. */
export const pause = async (milliseconds: number, ...signals: readonly AbortSignal[]): Promise<void> => {
  await sleep(milliseconds, undefined, { signal: AbortSignal.any([...signals]) }).catch(() => undefined);
};
