import { setTimeout as sleep } from 'node:timers/promises';

/** Lets one who lost too often go alone: whoever begins meanwhile waits. */
export interface Turn {
  /** Resolves when nobody goes alone. */
  free(): Promise<void>;
  /** Waits for those who go alone already, then goes alone until the returned function is called. */
  alone(): Promise<() => void>;
}

/** Milliseconds after which nobody waits any longer for one who goes alone: it hangs, and is not to hold up all others. */
const PATIENCE = 5000;

export const createTurn = (patience = PATIENCE): Turn => {
  /** The last of those who go alone, or want to. */
  let last: Promise<void> | undefined;
  const waitFor = async (end: Promise<void>): Promise<void> => {
    const rest = new AbortController();
    await Promise.race([end, sleep(patience, undefined, { signal: rest.signal }).catch(() => undefined)]);
    rest.abort();
  };
  return {
    async free() {
      for (const until = Date.now() + patience; last !== undefined && Date.now() < until; ) await waitFor(last);
    },
    async alone() {
      const before = last;
      const { promise, resolve } = Promise.withResolvers<void>();
      last = promise;
      if (before !== undefined) await waitFor(before);
      return () => {
        if (last === promise) last = undefined;
        resolve();
      };
    },
  };
};
