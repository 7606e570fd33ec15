import { fromSystem, type HoldfastError } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';

/** How a store has answered of late. */
export interface StoreWatch {
  /** What it says against working for us; undefined when its last answer was one. */
  readonly problem: HoldfastError | undefined;
  /** Milliseconds since 1970 of the first such answer in a row. */
  readonly since: number;
}

/** Answers about an object, not about the store. */
const ANSWERS: ReadonlySet<string> = new Set(['OBJECT_EXISTS', 'OBJECT_LOCKED', 'OBJECT_NOT_FOUND', 'SETTING_INVALID', 'INTERRUPTED']);

/** The same store, and what it says. Callers that try again for long see only the end of it; people want to know at once. */
export const watchStore = (
  store: ObjectStore,
  onChange: (problem: HoldfastError | undefined) => void,
): { readonly store: ObjectStore; readonly watch: StoreWatch } => {
  let problem: HoldfastError | undefined;
  let since = 0;

  const well = (): void => {
    if (problem === undefined) return;
    problem = undefined;
    onChange(undefined);
  };
  const note = (reason: unknown): void => {
    const error = fromSystem(reason, store.url);
    if (ANSWERS.has(error.code)) {
      well();
      return;
    }
    const isNew = problem?.code !== error.code;
    if (problem === undefined) since = Date.now();
    problem = error;
    if (isNew) onChange(error);
  };
  const watched = async <T>(request: Promise<T>): Promise<T> => {
    try {
      const answer = await request;
      well();
      return answer;
    } catch (reason) {
      note(reason);
      throw reason;
    }
  };

  return {
    store: {
      url: store.url,
      create: (name, content) => watched(store.create(name, content)),
      read: (name, range) => watched(store.read(name, range)),
      stat: (name) => watched(store.stat(name)),
      async *list(prefix, options) {
        try {
          yield* store.list(prefix, options);
          well();
        } catch (reason) {
          note(reason);
          throw reason;
        }
      },
      delete: (name) => watched(store.delete(name)),
      ...(store.setTier && { setTier: (name, tier) => watched(store.setTier!(name, tier)) }),
      ...(store.lockUntil && { lockUntil: (name, until) => watched(store.lockUntil!(name, until)) }),
      ...(store.time && { time: () => watched(store.time!()) }),
      close: () => store.close(),
    },
    watch: {
      get problem() {
        return problem;
      },
      get since() {
        return since;
      },
    },
  };
};
