import { checkName, checkPrefix, compareNames } from './name.ts';
import type { ObjectInfo, ObjectRange, ObjectStore } from './object-store.ts';
import { objectExists, objectNotFound } from './outcome.ts';
import { checkRange, resolveRange } from './range.ts';

interface StoredObject {
  readonly content: Uint8Array;
  readonly created: number;
}

class MemoryStore implements ObjectStore {
  readonly url = 'memory:';
  readonly #objects = new Map<string, StoredObject>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
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
    const { content, created } = this.#find(name);
    return { name, size: content.length, created };
  }

  async *list(prefix: string, { after = '' }: { readonly after?: string } = {}): AsyncGenerator<ObjectInfo> {
    checkPrefix(prefix);
    const names = [...this.#objects.keys()].filter((name) => name.startsWith(prefix) && name > after).sort(compareNames);
    for (const name of names) {
      const object = this.#objects.get(name);
      if (object !== undefined) yield { name, size: object.content.length, created: object.created };
    }
  }

  async delete(name: string): Promise<void> {
    checkName(name);
    this.#objects.delete(name);
  }

  async close(): Promise<void> {}

  #find(name: string): StoredObject {
    checkName(name);
    const object = this.#objects.get(name);
    if (object === undefined) throw objectNotFound(name);
    return object;
  }
}

/** Objects in memory, gone with the process. `now` is the store's clock, milliseconds since 1970. */
export const createMemoryStore = ({ now = Date.now }: { readonly now?: () => number } = {}): ObjectStore => new MemoryStore(now);
