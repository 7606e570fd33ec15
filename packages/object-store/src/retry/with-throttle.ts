import { HoldfastError } from '@holdfast/errors';
import type { ListOptions, ObjectInfo, ObjectRange, ObjectStore } from '../object-store.ts';
import { type Clock, systemClock } from './clock.ts';

export interface ThrottleOptions {
  /** Above 0; `Infinity` is no limit. A function is asked for every object, so that a schedule can change it. Counts for each direction by itself. */
  readonly bytesPerSecond: number | (() => number);
  readonly clock?: Clock;
}

class ThrottledStore implements ObjectStore {
  readonly setTier?: NonNullable<ObjectStore['setTier']>;
  readonly lockUntil?: NonNullable<ObjectStore['lockUntil']>;
  readonly time?: NonNullable<ObjectStore['time']>;
  readonly #store: ObjectStore;
  readonly #rate: () => number;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  /** When the line will be free again. */
  readonly #free = { up: Number.NEGATIVE_INFINITY, down: Number.NEGATIVE_INFINITY };

  constructor(store: ObjectStore, { bytesPerSecond, clock }: Required<ThrottleOptions>) {
    this.#store = store;
    this.#rate = typeof bytesPerSecond === 'number' ? () => bytesPerSecond : bytesPerSecond;
    this.#clock = clock;
    this.#checkedRate();
    if (store.setTier !== undefined) this.setTier = store.setTier.bind(store);
    if (store.lockUntil !== undefined) this.lockUntil = store.lockUntil.bind(store);
    if (store.time !== undefined) this.time = store.time.bind(store);
  }

  get url(): string {
    return this.#store.url;
  }

  async create(name: string, content: Uint8Array): Promise<void> {
    await this.#turn('up', content.length);
    return this.#store.create(name, content);
  }

  async read(name: string, range?: ObjectRange): Promise<Uint8Array> {
    await this.#turn('down', 0);
    const content = await this.#store.read(name, range);
    // How much it is was not known before; the next one waits for it.
    this.#occupy('down', content.length);
    return content;
  }

  stat(name: string): Promise<ObjectInfo> {
    return this.#store.stat(name);
  }

  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo> {
    return this.#store.list(prefix, options);
  }

  delete(name: string): Promise<void> {
    return this.#store.delete(name);
  }

  close(): Promise<void> {
    this.#closing.abort();
    return this.#store.close();
  }

  async #turn(direction: 'up' | 'down', bytes: number): Promise<void> {
    const wait = this.#occupy(direction, bytes) - this.#clock.now();
    if (wait <= 0) return;
    await this.#clock.sleep(wait, this.#closing.signal).catch(() => undefined);
    if (this.#closing.signal.aborted)
      throw new HoldfastError('INTERRUPTED', { thing: this.url, why: 'the store was closed', remedy: 'open it again' });
  }

  /** Takes the next free time for so many bytes and says when it begins. */
  #occupy(direction: 'up' | 'down', bytes: number): number {
    const begin = Math.max(this.#free[direction], this.#clock.now());
    this.#free[direction] = begin + (bytes / this.#checkedRate()) * 1000;
    return begin;
  }

  #checkedRate(): number {
    const rate = this.#rate();
    if (rate > 0) return rate;
    throw new HoldfastError('SETTING_INVALID', {
      thing: `limit of ${rate} bytes per second`,
      why: 'nothing would ever pass',
      remedy: 'give a number above 0, or none',
    });
  }
}

/**
 * The same store over a line that carries `bytesPerSecond` each way. An object goes out or comes in at full speed and the next one waits until the
 * line would have carried it, so the limit holds over some objects, not within one. Put it inside `withRetry`: what is sent again counts again.
 * Closing ends all waiting with INTERRUPTED. Errors: SETTING_INVALID.
 */
export const withThrottle = (store: ObjectStore, { bytesPerSecond, clock = systemClock }: ThrottleOptions): ObjectStore =>
  new ThrottledStore(store, { bytesPerSecond, clock });
