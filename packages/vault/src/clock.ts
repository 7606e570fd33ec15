import { setTimeout as sleep } from 'node:timers/promises';

/** Time as the vault uses it; tests bring their own. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after so many milliseconds, at once when the signal is raised. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: Date.now,
  sleep: async (milliseconds, signal) => {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal }).catch((reason: unknown) => {
      if (signal?.aborted !== true) throw reason;
    });
  },
};
