// A clock for tests: nobody waits.
import type { Clock } from '../clock.ts';

export const fastClock: Clock = { now: Date.now, sleep: () => new Promise(setImmediate) };

/** Lets everything that can go on do so, until nothing is left but what waits for the outside. */
export const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
};
