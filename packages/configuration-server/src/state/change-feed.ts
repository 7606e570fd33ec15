import { compacted } from './check-commit.ts';
import type { Change } from './state-store.ts';

/** What the feed needs of a store: changes that are kept, oldest first. */
export interface KeptChanges {
  /** All changes after this revision are kept. */
  compacted(): number;
  read(after: number, limit: number): Promise<readonly Change[]>;
}

/** Lets many read the changes of a store in order, each at its own pace and from its own place. */
export interface ChangeFeed {
  /** There is something new. */
  wake(): void;
  /** Ends all who watch. */
  close(): void;
  watch(after: number, signal: AbortSignal): AsyncIterable<Change>;
}

/** Changes read at once. */
const BATCH = 256;

/** Changes are always read from the store, never held for a reader: one that is slow costs nothing, and learns when it is too slow. */
export const createChangeFeed = (kept: KeptChanges): ChangeFeed => {
  const waiting = new Set<() => void>();
  let closed = false;
  const wake = (): void => {
    for (const go of waiting) go();
    waiting.clear();
  };
  const news = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const go = (): void => {
        signal.removeEventListener('abort', go);
        waiting.delete(go);
        resolve();
      };
      waiting.add(go);
      signal.addEventListener('abort', go, { once: true });
      if (signal.aborted || closed) go();
    });

  return {
    wake,
    close() {
      closed = true;
      wake();
    },
    async *watch(after, signal) {
      let position = after;
      while (!signal.aborted && !closed) {
        const coming = news(signal);
        const changes = await kept.read(position, BATCH);
        // Asked after reading: what was compacted meanwhile may be missing from it.
        if (position < kept.compacted()) throw compacted(position, kept.compacted());
        for (const change of changes) {
          if (signal.aborted || closed) return;
          const events = change.events.filter(({ revision }) => revision > position);
          position = change.revision;
          yield { ...change, events };
        }
        if (changes.length === 0) await coming;
      }
    },
  };
};
