import { isHoldfastError } from '@holdfast/errors';
import type { StateStore } from './state-store.ts';

export interface StoreObserver {
  /** A commit was made, in so many seconds. */
  committed(seconds: number): void;
  /** A commit could not be written. A conflict is none of that: the store did what it should. */
  failed(error: Error): void;
}

/** The same store; `observer` is told how it does. */
export const observedStore = (store: StateStore, observer: StoreObserver): StateStore => ({
  ...store,
  async commit(commit) {
    const began = performance.now();
    try {
      const revision = await store.commit(commit);
      observer.committed((performance.now() - began) / 1000);
      return revision;
    } catch (reason) {
      if (!isHoldfastError(reason, 'VERSION_CONFLICT')) observer.failed(reason as Error);
      throw reason;
    }
  },
});
