import { forwardStore } from './forward-store.ts';
import { createMemoryStore } from './memory-store.ts';
import type { ObjectStore } from './object-store.ts';

/** What reached a store, in order. */
interface Operation {
  readonly name: string;
  /** Absent: the object was deleted. */
  readonly content?: Uint8Array;
  readonly time: number;
}

export interface CopyLoss {
  /** Milliseconds before now in which operations may be missing from the copy. */
  readonly window: number;
  /** Says of each operation in it whether it is. */
  readonly loses: () => boolean;
}

/** A store that is copied to another region with some delay, each object by itself. */
export interface CopiedStore {
  readonly store: ObjectStore;
  /** What the other region has when this one is gone: of the newest operations any may be missing, deletions may have come before what they followed. */
  copy(loss: CopyLoss): Promise<ObjectStore>;
}

/** For tests and chaos: the failover of a storage account to its other region. `now` is the store's clock. */
export const createCopiedStore = ({ now }: { readonly now: () => number }): CopiedStore => {
  const memory = createMemoryStore({ now });
  const operations: Operation[] = [];
  return {
    store: {
      ...forwardStore(memory),
      create: async (name, content) => {
        await memory.create(name, content);
        operations.push({ name, content: Uint8Array.from(content), time: now() });
      },
      delete: async (name) => {
        await memory.delete(name);
        operations.push({ name, time: now() });
      },
    },
    async copy({ window, loses }) {
      let clock = 0;
      const other = createMemoryStore({ now: () => clock });
      const begin = now() - window;
      for (const { name, content, time } of operations) {
        if (time >= begin && loses()) continue;
        clock = time;
        if (content === undefined) await other.delete(name);
        else await other.create(name, content);
      }
      clock = now();
      return other;
    },
  };
};
