import { setTimeout as sleep } from 'node:timers/promises';

/** Time as the decorators use it; tests bring their own. */
export interface Clock {
  /** Milliseconds since any instant; never goes back. */
  now(): number;
  /** Resolves after so many milliseconds; rejects when `signal` is aborted. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (milliseconds, signal) => sleep(milliseconds, undefined, signal && { signal }),
};
