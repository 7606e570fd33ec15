import type { Clock } from '../clock.ts';

/** A clock that stands still while anything else is to be done, then jumps to when the next sleeper wakes. */
export interface FakeClock extends Clock {
  /** How long was asked to sleep, in the order of asking, in milliseconds. */
  readonly sleeps: readonly number[];
  /** Lets time pass until nobody sleeps any more. */
  run(): Promise<void>;
}

export const createFakeClock = (): FakeClock => {
  let now = 1000;
  const sleeps: number[] = [];
  const sleepers: { readonly until: number; readonly wake: () => void }[] = [];
  return {
    sleeps,
    now: () => now,
    sleep: (milliseconds, signal) =>
      new Promise((resolve, reject) => {
        sleeps.push(milliseconds);
        sleepers.push({ until: now + milliseconds, wake: resolve });
        signal?.addEventListener('abort', () => reject(signal.reason));
      }),
    run: async () => {
      for (;;) {
        await new Promise(setImmediate);
        sleepers.sort((a, b) => a.until - b.until);
        const next = sleepers.shift();
        if (next === undefined) return;
        now = Math.max(now, next.until);
        next.wake();
      }
    },
  };
};
