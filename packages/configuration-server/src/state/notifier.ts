import { isHoldfastError } from '@holdfast/errors';
import type { StateStore } from './state-store.ts';

/** Tells many listeners of changes of the keys each of them cares for, from one watch of the store. */
export interface Notifier {
  /** Calls `listener` after each change of one of these keys; one that ends in `/` stands for all that begin with it. */
  subscribe(keys: Iterable<string>, listener: () => void): () => void;
  /** Revision of the newest change that listeners were called for. */
  position(): number;
  /** Runs until `stopping` aborts. */
  run(stopping: AbortSignal): Promise<void>;
}

/** `a/b/c` and every part before it that ends in `/`: "a/b/c", "a/", "a/b/". */
const placesOf = (key: string): string[] => {
  const places = [key];
  for (let end = key.indexOf('/'); end !== -1; end = key.indexOf('/', end + 1)) places.push(key.slice(0, end + 1));
  return places;
};

export const createNotifier = (store: StateStore): Notifier => {
  const listeners = new Map<string, Set<() => void>>();
  let position = store.revision();

  const follow = async (stopping: AbortSignal): Promise<void> => {
    for await (const { revision, keys } of store.watch(position, stopping)) {
      position = revision;
      const called = new Set<() => void>();
      for (const place of keys.flatMap(placesOf)) for (const listener of listeners.get(place) ?? []) called.add(listener);
      for (const listener of called) listener();
    }
  };

  return {
    subscribe(keys, listener) {
      const places = [...keys];
      // One of its own for each subscription, so that the end of one never ends another with the same listener.
      const own = (): void => listener();
      for (const place of places) listeners.set(place, (listeners.get(place) ?? new Set()).add(own));
      return () => {
        for (const place of places) {
          const there = listeners.get(place);
          there?.delete(own);
          if (there?.size === 0) listeners.delete(place);
        }
      };
    },
    position: () => position,
    async run(stopping) {
      while (!stopping.aborted) {
        try {
          await follow(stopping);
          return;
        } catch (reason) {
          if (!isHoldfastError(reason, 'CHANGES_COMPACTED')) throw reason;
          // What was missed is unknown, so everybody looks again.
          position = store.revision();
          for (const listener of new Set([...listeners.values()].flatMap((there) => [...there]))) listener();
        }
      }
    },
  };
};
