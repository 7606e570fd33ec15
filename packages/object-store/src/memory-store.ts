import { checkName, checkPrefix, compareNames } from './name.ts';
import type { AccessTier, ObjectInfo, ObjectRange, ObjectStore } from './object-store.ts';
import { objectExists, objectNotFound } from './outcome.ts';
import { checkRange, resolveRange } from './range.ts';

interface StoredObject {
  readonly content: Uint8Array;
  readonly created: number;
  readonly tier?: AccessTier;
  readonly tierSince?: number;
}

export interface MemoryStoreOptions {
  /** The store's clock, milliseconds since 1970. */
  readonly now?: () => number;
  /** Whether it has tiers. */
  readonly tiers?: boolean;
}

class MemoryStore implements ObjectStore {
  readonly url = 'memory:';
  readonly #objects = new Map<string, StoredObject>();
  readonly #now: () => number;
  readonly setTier?: NonNullable<ObjectStore['setTier']>;

  constructor({ now = Date.now, tiers = false }: MemoryStoreOptions) {
    this.#now = now;
    if (!tiers) return;
    this.setTier = async (name, tier) => {
      Object.assign(this.#find(name), { tier, tierSince: this.#now() });
    };
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

  async *list(prefix: string, { after = '' }: { readonly after?: string } = {}): AsyncGenerator<ObjectInfo> {
    checkPrefix(prefix);
    const names = [...this.#objects.keys()].filter((name) => name.startsWith(prefix) && name > after).sort(compareNames);
    for (const name of names) {
      const object = this.#objects.get(name);
      if (object !== undefined) yield this.#infoOf(name, object);
    }
  }

  async delete(name: string): Promise<void> {
    checkName(name);
    this.#objects.delete(name);
  }

  async close(): Promise<void> {}

  #infoOf(name: string, { content, created, tier = 'hot', tierSince = created }: StoredObject): ObjectInfo {
    return { name, size: content.length, created, ...(this.setTier !== undefined && { tier, tierSince }) };
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
