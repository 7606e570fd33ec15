/** Keeps calls on overlapping ranges apart, in the order they came; calls on other ranges run at once. */
export interface RangeLock {
  /** Runs `work` when no earlier call that overlaps `first … last` (inclusive) is waiting or under way. */
  run<T>(first: number, last: number, work: () => Promise<T>): Promise<T>;
}

interface Holder {
  readonly first: number;
  readonly last: number;
  readonly released: Promise<unknown>;
}

class ListRangeLock implements RangeLock {
  // A list is enough: it holds the calls under way, a few dozen.
  readonly #holders = new Set<Holder>();

  async run<T>(first: number, last: number, work: () => Promise<T>): Promise<T> {
    const earlier = [...this.#holders].filter((holder) => first <= holder.last && holder.first <= last);
    const { promise, resolve } = Promise.withResolvers<void>();
    const holder = { first, last, released: promise };
    this.#holders.add(holder);
    try {
      for (const { released } of earlier) await released;
      return await work();
    } finally {
      this.#holders.delete(holder);
      resolve();
    }
  }
}

export const createRangeLock = (): RangeLock => new ListRangeLock();
