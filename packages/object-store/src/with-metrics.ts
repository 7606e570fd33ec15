import type { ListOptions, ObjectInfo, ObjectRange, ObjectStore } from './object-store.ts';

/** What went through a store since it was wrapped. A list counts once, however long it is; a move to another tier counts as a create, as stores do. */
export interface StoreMetrics {
  readonly requests: { create: number; read: number; stat: number; list: number; delete: number };
  /** Requests that failed, for whatever reason; an object that exists already or is missing counts too. */
  failed: number;
  bytesCreated: number;
  bytesRead: number;
}

class MeteredStore implements ObjectStore {
  readonly setTier?: NonNullable<ObjectStore['setTier']>;
  readonly lockUntil?: NonNullable<ObjectStore['lockUntil']>;
  readonly time?: NonNullable<ObjectStore['time']>;
  readonly #store: ObjectStore;
  readonly #metrics: StoreMetrics;

  constructor(store: ObjectStore, metrics: StoreMetrics) {
    this.#store = store;
    this.#metrics = metrics;
    const setTier = store.setTier?.bind(store);
    if (setTier !== undefined) this.setTier = (name, tier) => this.#count('create', setTier(name, tier));
    const lockUntil = store.lockUntil?.bind(store);
    if (lockUntil !== undefined) this.lockUntil = (name, until) => this.#count('create', lockUntil(name, until));
    const time = store.time?.bind(store);
    if (time !== undefined) this.time = () => this.#count('list', time());
  }

  get url(): string {
    return this.#store.url;
  }

  async create(name: string, content: Uint8Array): Promise<void> {
    await this.#count('create', this.#store.create(name, content));
    this.#metrics.bytesCreated += content.length;
  }

  async read(name: string, range?: ObjectRange): Promise<Uint8Array> {
    const bytes = await this.#count('read', this.#store.read(name, range));
    this.#metrics.bytesRead += bytes.length;
    return bytes;
  }

  stat(name: string): Promise<ObjectInfo> {
    return this.#count('stat', this.#store.stat(name));
  }

  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo> {
    this.#metrics.requests.list += 1;
    return this.#store.list(prefix, options);
  }

  delete(name: string): Promise<void> {
    return this.#count('delete', this.#store.delete(name));
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #count<T>(request: keyof StoreMetrics['requests'], answer: Promise<T>): Promise<T> {
    this.#metrics.requests[request] += 1;
    try {
      return await answer;
    } catch (reason) {
      this.#metrics.failed += 1;
      throw reason;
    }
  }
}

/** The same store, counted; `metrics` is live. */
export const withMetrics = (store: ObjectStore): { readonly store: ObjectStore; readonly metrics: StoreMetrics } => {
  const metrics: StoreMetrics = {
    requests: { create: 0, read: 0, stat: 0, list: 0, delete: 0 },
    failed: 0,
    bytesCreated: 0,
    bytesRead: 0,
  };
  return { store: new MeteredStore(store, metrics), metrics };
};
