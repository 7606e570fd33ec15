import { find, type Kind, listAll, type Stored } from '../records/kind.ts';
import type { Notifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';

/** Reads for a computation; what was read decides when it is computed again. */
export interface TrackedReader {
  get<T>(kind: Kind<T>, id: string): Promise<Stored<T> | undefined>;
  /** All whose ids begin with `within`, which ends in `/` or is empty. */
  list<T>(kind: Kind<T>, within: string): Promise<readonly Stored<T>[]>;
}

export interface Computed<T> {
  /** Everything up to this revision is in it. */
  readonly revision: number;
  readonly value: T;
}

/** The value of `compute` now, and again after each change of anything it read, or when `also` calls back, until `signal` aborts. */
export async function* follow<T>(
  store: StateStore,
  notifier: Notifier,
  compute: (reader: TrackedReader) => Promise<T>,
  signal: AbortSignal,
  also: (listener: () => void) => () => void = () => () => undefined,
): AsyncGenerator<Computed<T>> {
  let wake: () => void = () => undefined;
  let changed = false;
  const onChange = (): void => {
    changed = true;
    wake();
  };
  signal.addEventListener('abort', onChange);
  const forgetAlso = also(onChange);
  let forget: (() => void)[] = [];
  try {
    while (!signal.aborted) {
      const before = forget;
      forget = [];
      changed = false;
      const track = (place: string): void => void forget.push(notifier.subscribe([place], onChange));
      const revision = store.revision();
      const value = await compute({
        get: (kind, id) => {
          track(kind.key(id));
          return find(store, kind, id);
        },
        async list<V>(kind: Kind<V>, within: string) {
          track(kind.prefix + within);
          const all: Stored<V>[] = [];
          for await (const one of listAll(store, kind, within)) all.push(one);
          return all;
        },
      });
      for (const end of before) end();
      yield { revision, value };
      if (!changed && !signal.aborted) {
        const news = new Promise<void>((resolve) => {
          wake = resolve;
        });
        if (!changed) await news;
      }
    }
  } finally {
    signal.removeEventListener('abort', onChange);
    forgetAlso();
    for (const end of forget) end();
  }
}
