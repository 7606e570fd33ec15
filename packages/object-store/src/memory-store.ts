import { HoldfastError } from '@holdfast/errors';
import { checkName, checkPrefix, compareNames } from './name.ts';
import type { AccessTier, ListOptions, ObjectInfo, ObjectRange, ObjectStore } from './object-store.ts';
import { objectExists, objectNotFound } from './outcome.ts';
import { checkRange, resolveRange } from './range.ts';

interface StoredObject {
  readonly content: Uint8Array;
  readonly created: number;
  readonly tier?: AccessTier;
  readonly tierSince?: number;
  readonly lockedUntil?: number;
}

export interface MemoryStoreOptions {
  /** The store's clock, milliseconds since 1970. */
  readonly now?: () => number;
  /** Whether it has tiers. */
  readonly tiers?: boolean;
  /** Whether objects can be locked. */
  readonly locks?: boolean;
}

class MemoryStore implements ObjectStore {
  readonly url = 'memory:';
  readonly #objects = new Map<string, StoredObject>();
  readonly #now: () => number;
  readonly setTier?: NonNullable<ObjectStore['setTier']>;
  readonly lockUntil?: NonNullable<ObjectStore['lockUntil']>;
  readonly time?: NonNullable<ObjectStore['time']>;

  constructor({ now = Date.now, tiers = false, locks = false }: MemoryStoreOptions) {
    this.#now = now;
    if (tiers)
      this.setTier = async (name, tier) => {
        Object.assign(this.#find(name), { tier, tierSince: this.#now() });
      };
    if (!locks) return;
    this.lockUntil = async (name, until) => {
      const object = this.#find(name);
      Object.assign(object, { lockedUntil: Math.max(until, object.lockedUntil ?? 0) });
    };
    this.time = async () => this.#now();
  }

  async create(name: string, content: Uint8Array): Promise<void> {
    checkName(name);
    if (this.#objects.has(name)) throw objectExists(name);
    this.#objects.set(name, { content: Uint8Array.from(content), created: this.#now() });
  }

  async read(name: string, range?: ObjectRange): Promise<Uint8Array> {
    checkRange(range);
    const { content } = this.#find(name);
    const { start, end } = resolveRange(content.length, range);
    return content.slice(start, end);
  }

  async stat(name: string): Promise<ObjectInfo> {
    return this.#infoOf(name, this.#find(name));
  }

  async *list(prefix: string, { after = '', locks = false }: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    checkPrefix(prefix);
    const names = [...this.#objects.keys()].filter((name) => name.startsWith(prefix) && name > after).sort(compareNames);
    for (const name of names) {
      const object = this.#objects.get(name);
      if (object === undefined) continue;
      const { lockedUntil, ...info } = this.#infoOf(name, object);
      yield locks && lockedUntil !== undefined ? { ...info, lockedUntil } : info;
    }
  }

  async delete(name: string): Promise<void> {
    checkName(name);
    const { lockedUntil = 0 } = this.#objects.get(name) ?? {};
    if (lockedUntil > this.#now())
      throw new HoldfastError('OBJECT_LOCKED', {
        thing: name,
        why: `it is locked until ${new Date(lockedUntil).toISOString()}`,
        remedy: 'wait',
      });
    this.#objects.delete(name);
  }

  async close(): Promise<void> {}

  #infoOf(name: string, { content, created, tier = 'hot', tierSince = created, lockedUntil }: StoredObject): ObjectInfo {
    const tiers = this.setTier !== undefined && { tier, tierSince };
    return { name, size: content.length, created, ...tiers, ...(lockedUntil !== undefined && { lockedUntil }) };
  }

  #find(name: string): StoredObject {
    checkName(name);
    const object = this.#objects.get(name);
    if (object === undefined) throw objectNotFound(name);
    return object;
  }
}

/** Objects in memory, gone with the process. */
export const createMemoryStore = (options: MemoryStoreOptions = {}): ObjectStore => new MemoryStore(options);
