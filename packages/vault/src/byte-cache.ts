/** A value and the bytes it takes. */
export interface Sized<Value> {
  readonly value: Value;
  readonly size: number;
}

/** Keeps the values used last, bounded in bytes; those who ask for the same missing value at once share one loading. */
export class ByteCache<Key, Value> {
  readonly #limit: number;
  /** Oldest use first. */
  readonly #entries = new Map<Key, Sized<Value>>();
  readonly #loading = new Map<Key, Promise<Value>>();
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** True when the value is here or on its way. */
  has(key: Key): boolean {
    return this.#entries.has(key) || this.#loading.has(key);
  }

  /** The value if it is here. */
  peek(key: Key): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** The value if it is here, else what `load` resolves to. A failure is not kept. */
  get(key: Key, load: () => Promise<Sized<Value>>): Promise<Value> {
    const known = this.peek(key);
    if (known !== undefined) return Promise.resolve(known);
    const loading = this.#loading.get(key);
    if (loading !== undefined) return loading;
    const loaded = load()
      .then((sized) => this.#keep(key, sized))
      .finally(() => this.#loading.delete(key));
    this.#loading.set(key, loaded);
    return loaded;
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #keep(key: Key, sized: Sized<Value>): Value {
    if (sized.size > this.#limit) return sized.value;
    this.#entries.set(key, sized);
    this.#bytes += sized.size;
    for (const [oldest, { size }] of this.#entries) {
      if (this.#bytes <= this.#limit) break;
      this.#entries.delete(oldest);
      this.#bytes -= size;
    }
    return sized.value;
  }
}
