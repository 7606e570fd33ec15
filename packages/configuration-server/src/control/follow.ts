import { setTimeout as sleep } from 'node:timers/promises';
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

/** What was read, as long as it has not changed. */
interface Remembered {
  readonly value: Promise<unknown>;
  readonly forget: () => void;
  round: number;
}

/** It rests so many times as long as a round took, but no more milliseconds than that: where much changes at once, one round is for all of it. */
const REST = 4;
const LONGEST_REST = 1000;

/**
 * The value of `compute` now, and again after changes of anything it read, or when `also` calls back, until `signal` aborts. What did
 * not change is not read again: a process server has thousands of machines, of which one changes. Rounds are far enough from each other to
 * cost a fifth of a processor at most.
 */
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
  const remembered = new Map<string, Remembered>();
  let round = 0;

  const remember = <V>(place: string, read: () => Promise<V>): Promise<V> => {
    const known = remembered.get(place);
    if (known !== undefined) {
      known.round = round;
      return known.value as Promise<V>;
    }
    // From before the read on, so that no change is missed.
    const forget = notifier.subscribe([place], () => {
      remembered.delete(place);
      forget();
      onChange();
    });
    const value = read();
    remembered.set(place, { value, forget, round });
    return value;
  };

  try {
    while (!signal.aborted) {
      const began = performance.now();
      changed = false;
      round += 1;
      const before = notifier.position();
      const value = await compute({
        get: (kind, id) => remember(kind.key(id), () => find(store, kind, id)),
        list: <V>(kind: Kind<V>, within: string) =>
          remember(kind.prefix + within, async () => {
            const all: Stored<V>[] = [];
            for await (const one of listAll(store, kind, within)) all.push(one);
            return all;
          }),
      });
      for (const [place, one] of remembered) {
        if (one.round === round) continue;
        one.forget();
        remembered.delete(place);
      }
      // Every change that was told of came to those who read, or before they read: it is in the value unless something changed meanwhile.
      yield { revision: changed ? before : notifier.position(), value };
      const took = performance.now() - began;
      const next = performance.now() + Math.min(LONGEST_REST, REST * took);
      if (!changed && !signal.aborted) {
        const news = new Promise<void>((resolve) => {
          wake = resolve;
        });
        if (!changed) await news;
      }
      const rest = next - performance.now();
      if (rest >= 1) await sleep(rest, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    signal.removeEventListener('abort', onChange);
    forgetAlso();
    for (const { forget } of remembered.values()) forget();
  }
}
