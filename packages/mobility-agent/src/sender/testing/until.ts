import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves when `condition` is true; rejects, saying what was waited for, after half a minute. */
export const until = async (
  what: string,
  condition: () => boolean,
  describe: () => unknown = () => '',
  milliseconds = 30_000,
): Promise<void> => {
  for (const deadline = performance.now() + milliseconds; !condition(); await sleep(2)) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what} ${JSON.stringify(describe())}`);
  }
};
