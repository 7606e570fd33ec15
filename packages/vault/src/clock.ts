import { setTimeout as sleep } from 'node:timers/promises';

/** Time as the vault uses it; tests bring their own. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after so many milliseconds. */
  sleep(milliseconds: number): Promise<void>;
}

export const systemClock: Clock = { now: Date.now, sleep: (milliseconds) => sleep(milliseconds) };
