import { type DescMessage, fromJson, type JsonValue, type MessageShape, toJson } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import type { Document, Entry, StateStore } from '../state/state-store.ts';

/** A value of a kind as it was read: with the version that an edit has to expect. */
export interface Stored<T> {
  readonly id: string;
  readonly key: string;
  /** Revision of the commit that put it. */
  readonly version: number;
  readonly value: T;
}

/** A kind of document: where it stands, and how it is written. */
export interface Kind<T> {
  /** What people call one: "machine". */
  readonly name: string;
  readonly prefix: string;
  key(id: string): string;
  read(entry: Entry): Stored<T>;
  document(value: T): Document;
}

const makeKind = <T>(name: string, schema: number, decode: (data: JsonValue) => T, encode: (value: T) => JsonValue): Kind<T> => {
  const prefix = `${name}/`;
  return {
    name,
    prefix,
    key: (id) => prefix + id,
    document: (value) => ({ schema, data: encode(value) }),
    read(entry) {
      const id = entry.key.slice(prefix.length);
      if (entry.schema > schema)
        throw new HoldfastError('STATE_VERSION_UNSUPPORTED', {
          thing: entry.key,
          why: `it has form ${entry.schema}, and this version knows ${schema}`,
          remedy: 'use the version that wrote it, or a newer one',
        });
      return { id, key: entry.key, version: entry.revision, value: decode(entry.data) };
    },
  };
};

/** A kind whose values are plain JSON of this program's own making. */
export const plainKind = <T extends object>(name: string, schema: number): Kind<T> =>
  makeKind(
    name,
    schema,
    (data) => data as T,
    // Fields that are undefined vanish, as in any JSON.
    (value) => JSON.parse(JSON.stringify(value)) as JsonValue,
  );

/** A kind whose values are messages; fields of newer versions are ignored. */
export const messageKind = <D extends DescMessage>(name: string, schema: number, message: D): Kind<MessageShape<D>> =>
  makeKind(
    name,
    schema,
    (data) => fromJson(message, data, { ignoreUnknownFields: true }),
    (value) => toJson(message, value),
  );

/** The value with this id, or undefined. */
export const find = async <T>(store: Pick<StateStore, 'get'>, kind: Kind<T>, id: string): Promise<Stored<T> | undefined> => {
  const entry = await store.get(kind.key(id));
  return entry === undefined ? undefined : kind.read(entry);
};

export interface Page<T> {
  readonly rows: readonly Stored<T>[];
  /** Id to go on after; undefined at the end. */
  readonly next: string | undefined;
}

/** Values in the order of their ids. */
export const listPage = async <T>(store: StateStore, kind: Kind<T>, limit: number, after?: string, within = ''): Promise<Page<T>> => {
  const prefix = kind.prefix + within;
  const entries = await store.list({ prefix, limit: limit + 1, ...(after === undefined ? {} : { after: kind.key(after) }) });
  const rows = entries.slice(0, limit).map((entry) => kind.read(entry));
  return { rows, next: entries.length > limit ? rows.at(-1)!.id : undefined };
};

/** Read at once: nobody else gets a turn while they are decoded. */
const ALL = 64;

/** All values whose ids begin with `within`, page by page. */
export async function* listAll<T>(store: StateStore, kind: Kind<T>, within = ''): AsyncGenerator<Stored<T>> {
  let after: string | undefined;
  do {
    const page: Page<T> = await listPage(store, kind, ALL, after, within);
    yield* page.rows;
    after = page.next;
  } while (after !== undefined);
}
