import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { ListOptions, ObjectInfo, ObjectRange, ObjectStore } from '../object-store.ts';
import { type Backoff, waitingTime } from './backoff.ts';
import { type Clock, systemClock } from './clock.ts';

export interface RetryOptions {
  /** Attempts in all, 8 unless told. */
  readonly attempts?: number;
  /** No attempt begins later than so many milliseconds after the first, 300,000 unless told. An attempt under way is not ended by it. */
  readonly deadline?: number;
  /** 250 ms doubling up to 30 s unless told. */
  readonly backoff?: Backoff;
  readonly clock?: Clock;
  /** Numbers in [0, 1). */
  readonly random?: () => number;
}

class RetryingStore implements ObjectStore {
  readonly setTier?: NonNullable<ObjectStore['setTier']>;
  readonly lockUntil?: NonNullable<ObjectStore['lockUntil']>;
  readonly time?: NonNullable<ObjectStore['time']>;
  readonly #store: ObjectStore;
  readonly #options: Required<RetryOptions>;
  readonly #closing = new AbortController();

  constructor(store: ObjectStore, options: Required<RetryOptions>) {
    this.#store = store;
    this.#options = options;
    const setTier = store.setTier?.bind(store);
    if (setTier !== undefined) this.setTier = (name, tier) => this.#retry(() => setTier(name, tier));
    const lockUntil = store.lockUntil?.bind(store);
    if (lockUntil !== undefined) this.lockUntil = (name, until) => this.#retry(() => lockUntil(name, until));
    const time = store.time?.bind(store);
    if (time !== undefined) this.time = () => this.#retry(time);
  }

  get url(): string {
    return this.#store.url;
  }

  async create(name: string, content: Uint8Array): Promise<void> {
    let unknown = false;
    const taken = await this.#retry(async () => {
      try {
        await this.#store.create(name, content);
        return undefined;
      } catch (reason) {
        if (unknown && isHoldfastError(reason, 'OBJECT_EXISTS')) return reason;
        unknown = true;
        throw reason;
      }
    });
    // After an attempt without an answer the object there may be ours.
    if (taken !== undefined && !(await this.#holds(name, content))) throw taken;
  }

  read(name: string, range?: ObjectRange): Promise<Uint8Array> {
    return this.#retry(() => this.#store.read(name, range));
  }

  stat(name: string): Promise<ObjectInfo> {
    return this.#retry(() => this.#store.stat(name));
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    let last = options.after ?? '';
    let rest = this.#store.list(prefix, options)[Symbol.asyncIterator]();
    try {
      for (;;) {
        let broken = false;
        const next = await this.#retry(async () => {
          if (broken) rest = this.#store.list(prefix, { ...options, after: last })[Symbol.asyncIterator]();
          broken = true;
          return rest.next();
        });
        if (next.done) return;
        last = next.value.name;
        yield next.value;
      }
    } finally {
      await rest.return?.();
    }
  }

  delete(name: string): Promise<void> {
    return this.#retry(() => this.#store.delete(name));
  }

  close(): Promise<void> {
    this.#closing.abort();
    return this.#store.close();
  }

  /** True when the object is this very content; false too for those who may not read it. */
  async #holds(name: string, content: Uint8Array): Promise<boolean> {
    try {
      return Buffer.compare(await this.read(name), content) === 0;
    } catch (reason) {
      if (isRetryable(reason)) throw reason;
      return false;
    }
  }

  async #retry<T>(attempt: () => Promise<T>): Promise<T> {
    const { attempts, deadline, backoff, clock, random } = this.#options;
    const begun = clock.now();
    for (let failures = 1; ; failures += 1) {
      try {
        return await attempt();
      } catch (reason) {
        if (!isRetryable(reason)) throw reason;
        const wait = waitingTime(backoff, failures, reason, random);
        const passed = clock.now() - begun;
        if (failures >= attempts || passed + wait > deadline) throw failures === 1 ? reason : exhausted(reason, failures, passed);
        await clock.sleep(wait, this.#closing.signal).catch(() => undefined);
        if (this.#closing.signal.aborted) throw closed(reason);
      }
    }
  }
}

const isRetryable = (reason: unknown): reason is HoldfastError => isHoldfastError(reason) && reason.retryable;

const exhausted = ({ code, thing, why, remedy, cause }: HoldfastError, failures: number, passed: number): HoldfastError =>
  new HoldfastError(code, { thing, why: `${why} (${failures} attempts in ${Math.round(passed / 1000)} s)`, remedy, cause });

const closed = ({ thing, why }: HoldfastError): HoldfastError =>
  new HoldfastError('INTERRUPTED', {
    thing,
    why: `the store was closed before another attempt; the last one: ${why}`,
    remedy: 'open it again',
  });

/**
 * The same store, asked again when a retryable error says that this may help, after growing waits or as long as the store asks for
 * (`retryAfterMs` of the error's cause). What is not retryable is thrown at once; what remains after all attempts is the last error.
 *
 * A create that failed so may have taken effect all the same, or may still do so. It is sent again, the same bytes to the same name, and when the
 * name is then taken the object is read back, with attempts of its own: equal content is success, any other OBJECT_EXISTS. So contents have to
 * differ between writers; two that create the same bytes under one name may both be told that they did. When all attempts fail the outcome stays
 * unknown: to learn it, call `create` with the same content again.
 *
 * A list goes on behind the last name that it gave. Closing ends all waiting with INTERRUPTED.
 */
export const withRetry = (
  store: ObjectStore,
  {
    attempts = 8,
    deadline = 300_000,
    backoff = { first: 250, most: 30_000 },
    clock = systemClock,
    random = Math.random,
  }: RetryOptions = {},
): ObjectStore => new RetryingStore(store, { attempts, deadline, backoff, clock, random });
