import { setTimeout as sleep } from 'node:timers/promises';

/** Lets many wait for one sync: who comes while one runs waits, with all others who came, for the next. */
export interface GroupCommit {
  /** Resolves when a sync that began after this call is done. */
  wait(): Promise<void>;
}

/** `gap`: least milliseconds from the beginning of one sync to the next, so that many who come one after the other do not cost a sync each. */
export const createGroupCommit = (sync: () => Promise<void>, gap = 0): GroupCommit => {
  let gathering: PromiseWithResolvers<void> | undefined;
  let running = false;
  let last = Number.NEGATIVE_INFINITY;

  const run = async (): Promise<void> => {
    running = true;
    while (gathering !== undefined) {
      const early = last + gap - performance.now();
      if (early > 0) await sleep(early);
      last = performance.now();
      const group = gathering;
      gathering = undefined;
      await sync().then(group.resolve, group.reject);
    }
    running = false;
  };

  return {
    wait() {
      gathering ??= Promise.withResolvers<void>();
      const { promise } = gathering;
      if (!running) void run();
      return promise;
    },
  };
};
