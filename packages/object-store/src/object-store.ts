/** What a store knows of an object. */
export interface ObjectInfo {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** When the object was created by the store's own clock, milliseconds since 1970. */
  readonly created: number;
  /** Where the store has tiers and tells: `archive` cannot be read before somebody moves it back. */
  readonly tier?: AccessTier | 'archive';
  /** When it came there, if that was after it was created and the store tells. */
  readonly tierSince?: number;
  /** Until then nobody can delete it; told by `stat`, and by lists that are asked for it. */
  readonly lockedUntil?: number;
}

export interface ListOptions {
  readonly after?: string;
  /** Also tell of locks, which a store may know only when it is asked. */
  readonly locks?: boolean;
}

/** What an object costs: the cooler, the less to keep, the more to read, and to delete early. All can be read at once. */
export type AccessTier = 'hot' | 'cool' | 'cold';

/** A range of an object; without `length` to its end. A negative `offset` counts from the end. */
export interface ObjectRange {
  readonly offset: number;
  readonly length?: number;
}

/**
 * A place that holds immutable objects under names: a folder, a blob container, memory. What every implementation promises, and the
 * conformance suite (`@holdfast/object-store/conformance`) checks:
 *
 * - `create` is atomic and exclusive: of any number of racing creators of a name exactly one succeeds, all others get OBJECT_EXISTS; a
 *   reader sees the whole object or none; when it has resolved the object is durable. When it fails otherwise the outcome is unknown.
 * - After `create` resolved, `read` and `stat` find the object. `list` may lag: nothing correct may rest on it.
 * - There is no overwriting. A name is deleted at most once and is not used again by Holdfast.
 *
 * Names are `/`-separated segments of `[A-Za-z0-9._-]` that don't begin with a dot, at most 512 characters; no object's name followed by
 * `/` begins another's. Errors: OBJECT_EXISTS, OBJECT_NOT_FOUND,
 * STORE_UNAVAILABLE (retryable), NO_PERMISSION, NO_SPACE, SETTING_INVALID (a name or range that cannot be).
 */
export interface ObjectStore {
  /** For people, without secrets: `file:/srv/vault`, `memory:`. */
  readonly url: string;
  create(name: string, content: Uint8Array): Promise<void>;
  /** The bytes of the range; a range that reaches behind the end gives what there is. */
  read(name: string, range?: ObjectRange): Promise<Uint8Array>;
  stat(name: string): Promise<ObjectInfo>;
  /** Objects whose name starts with `prefix`, ascending by name, those after `after` only. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo>;
  /** Resolves too when there is no such object. */
  delete(name: string): Promise<void>;
  /** Moves an object to another tier; absent where the store has none. Errors: OBJECT_NOT_FOUND, OBJECT_LOCKED, NO_PERMISSION, STORE_UNAVAILABLE. */
  readonly setTier?: (name: string, tier: AccessTier) => Promise<void>;
  /**
   * Nobody, with whatever rights, deletes the object before that time, milliseconds since 1970 by the store's clock; never shortens what was set. Absent
   * where the store cannot. Errors: OBJECT_NOT_FOUND, NO_PERMISSION, STORE_UNAVAILABLE, UNSUPPORTED_OPERATION (it could, and is not set up for it).
   */
  readonly lockUntil?: (name: string, until: number) => Promise<void>;
  /** What the store's clock shows, milliseconds since 1970: by it locks end. There wherever `lockUntil` is. Errors: NO_PERMISSION, STORE_UNAVAILABLE. */
  readonly time?: () => Promise<number>;
  close(): Promise<void>;
}
