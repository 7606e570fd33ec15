import { HoldfastError } from '@holdfast/errors';
import type { ListOptions, ObjectInfo, ObjectRange, ObjectStore } from './object-store.ts';

/** A request on its way to the store. */
export interface StoreCall {
  readonly request: 'create' | 'read' | 'stat' | 'list' | 'delete' | 'tier' | 'lock';
  /** The object's name; the prefix of a list. */
  readonly name: string;
  /** 0, 1, 2 … over all requests of this store. */
  readonly index: number;
}

/** What goes wrong with a request. */
export interface Fault {
  /** The request waits for this before it reaches the store. */
  readonly stall?: Promise<void>;
  /** Fails without any effect. */
  readonly before?: Error;
  /** Takes effect, then fails: the answer is lost. */
  readonly after?: Error;
  /** The answer waits for this after the effect. */
  readonly stallAnswer?: Promise<void>;
  /** A list leaves out the objects for which this is true: it lags. */
  readonly hides?: (name: string) => boolean;
}

/** Decides about each request; `undefined` lets it pass. */
export type FaultPlan = (call: StoreCall) => Fault | undefined;

class FaultyStore implements ObjectStore {
  readonly setTier?: NonNullable<ObjectStore['setTier']>;
  readonly lockUntil?: NonNullable<ObjectStore['lockUntil']>;
  readonly time?: NonNullable<ObjectStore['time']>;
  readonly #store: ObjectStore;
  readonly #plan: FaultPlan;
  #index = 0;

  constructor(store: ObjectStore, plan: FaultPlan) {
    this.#store = store;
    this.#plan = plan;
    const setTier = store.setTier?.bind(store);
    if (setTier !== undefined) this.setTier = (name, tier) => this.#through('tier', name, () => setTier(name, tier));
    const lockUntil = store.lockUntil?.bind(store);
    if (lockUntil !== undefined) this.lockUntil = (name, until) => this.#through('lock', name, () => lockUntil(name, until));
    if (store.time !== undefined) this.time = store.time.bind(store);
  }

  get url(): string {
    return this.#store.url;
  }

  create(name: string, content: Uint8Array): Promise<void> {
    return this.#through('create', name, () => this.#store.create(name, content));
  }

  read(name: string, range?: ObjectRange): Promise<Uint8Array> {
    return this.#through('read', name, () => this.#store.read(name, range));
  }

  stat(name: string): Promise<ObjectInfo> {
    return this.#through('stat', name, () => this.#store.stat(name));
  }

  async *list(prefix: string, options?: ListOptions): AsyncGenerator<ObjectInfo> {
    const fault = this.#next('list', prefix);
    await fault?.stall;
    if (fault?.before !== undefined) throw fault.before;
    for await (const info of this.#store.list(prefix, options)) if (fault?.hides?.(info.name) !== true) yield info;
    if (fault?.after !== undefined) throw fault.after;
  }

  delete(name: string): Promise<void> {
    return this.#through('delete', name, () => this.#store.delete(name));
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #next(request: StoreCall['request'], name: string): Fault | undefined {
    const index = this.#index;
    this.#index += 1;
    return this.#plan({ request, name, index });
  }

  async #through<T>(request: StoreCall['request'], name: string, effect: () => Promise<T>): Promise<T> {
    const fault = this.#next(request, name);
    await fault?.stall;
    if (fault?.before !== undefined) throw fault.before;
    const answer = await effect();
    await fault?.stallAnswer;
    if (fault?.after !== undefined) throw fault.after;
    return answer;
  }
}

/** The same store with things going wrong as `plan` says: for tests and chaos. */
export const withFaults = (store: ObjectStore, plan: FaultPlan): ObjectStore => new FaultyStore(store, plan);

/** Probabilities from 0 to 1 for each request. */
export interface FaultRates {
  readonly before?: number;
  readonly after?: number;
  /** For each object of a list. */
  readonly hides?: number;
}

/** A plan that draws faults at random, the same ones for the same seed and order of requests. */
export const seededFaults = (seed: number, { before = 0, after = 0, hides = 0 }: FaultRates): FaultPlan => {
  const random = createRandom(seed);
  return ({ request, name }) => {
    const draw = random();
    return {
      ...(draw < before && { before: storeUnavailable(name, 'the store answered with a failure put there on purpose') }),
      ...(draw >= before && draw < before + after && { after: storeUnavailable(name, 'the answer was lost on purpose') }),
      ...(request === 'list' && { hides: () => random() < hides }),
    };
  };
};

/** The retryable error a store gives while it cannot be reached. */
export const storeUnavailable = (name: string, why: string): HoldfastError =>
  new HoldfastError('STORE_UNAVAILABLE', { thing: name, why, remedy: 'try again' });

/** Numbers in [0, 1) from a seed (mulberry32). */
const createRandom = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
};
