import type { JsonValue } from '@bufbuild/protobuf';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { Level } from 'level';
import { createChangeFeed } from './change-feed.ts';
import { checkCommit, checkKey, conflict, numbered } from './check-commit.ts';
import type { Change, Commit, Entry, HistoryLimits, HistoryOptions, StateStore, StoredAudit, StoredEvent } from './state-store.ts';

/*
 * Keys of the database: `d/KEY` documents, `e/REVISION` events, `a/REVISION` audit records, `c/REVISION` changes, `s/…/SUBJECT/REVISION`
 * where events and audit records of a subject are, `m/state` the newest revision. All values are JSON.
 */

/** Number of this layout. */
const FORMAT = 1;

interface State {
  readonly format: number;
  readonly revision: number;
  /** All changes after this revision are kept. */
  readonly compacted: number;
  /** How many records there are of each history. */
  readonly events: number;
  readonly audit: number;
  readonly changes: number;
}

interface Kept {
  readonly r: number;
  readonly s: number;
  readonly v: JsonValue;
}

type Database = Level<string, unknown>;
type Operation = { readonly type: 'put'; readonly key: string; readonly value: unknown } | { readonly type: 'del'; readonly key: string };

const EMPTY: State = { format: FORMAT, revision: 0, compacted: 0, events: 0, audit: 0, changes: 0 };

/** Revisions as text in their order. */
const padded = (revision: number): string => String(revision).padStart(16, '0');

const subjectKey = (history: 'e' | 'a', subject: string, revision: number): string => `s/${history}/${subject}/${padded(revision)}`;

/** Behind every key that begins with `prefix`. */
const endOf = (prefix: string): string => `${prefix}\u{10ffff}`;

const put = (key: string, value: unknown): Operation => ({ type: 'put', key, value });

const entryOf = (key: string, { r, s, v }: Kept): Entry => ({ key, revision: r, schema: s, data: v });

const openDatabase = async (directory: string): Promise<Database> => {
  const database: Database = new Level(directory, { valueEncoding: 'json' });
  try {
    await database.open();
  } catch (reason) {
    const cause = (reason as Error).cause ?? reason;
    throw fromSystem(cause, `database ${directory}`);
  }
  return database;
};

const readState = async (database: Database, directory: string): Promise<State> => {
  const state = ((await database.get('m/state')) as State | undefined) ?? EMPTY;
  if (state.format <= FORMAT) return state;
  await database.close();
  throw new HoldfastError('STATE_VERSION_UNSUPPORTED', {
    thing: `database ${directory}`,
    why: `it has format ${state.format}, and this version knows ${FORMAT}`,
    remedy: 'use the version that wrote it, or a newer one',
  });
};

/** What goes with the oldest records of a history, and how many are left; lazily, a tenth at a time. */
const trim = async (database: Database, history: 'e' | 'a', count: number, limit: number): Promise<readonly [Operation[], number]> => {
  if (count <= limit * 1.1) return [[], count];
  const operations: Operation[] = [];
  for await (const [key, value] of database.iterator({ gte: `${history}/`, lt: endOf(`${history}/`), limit: count - limit })) {
    const { subject, revision } = value as StoredEvent | StoredAudit;
    operations.push({ type: 'del', key }, { type: 'del', key: subjectKey(history, subject, revision) });
  }
  return [operations, limit];
};

/** A state store that can be copied while it is used. */
export interface LevelStore extends StateStore {
  /** Every key and value of the database, as they were at one moment. */
  dump(): AsyncIterable<readonly [string, unknown]>;
}

/** Values written in one batch when a store is filled. */
const FILL_BATCH = 500;

/** Makes a store in an empty directory out of what another one's `dump` gave. Rejects with OBJECT_EXISTS when there is one already. */
export const fillLevelStore = async (directory: string, entries: AsyncIterable<readonly [string, unknown]>): Promise<number> => {
  const database = await openDatabase(directory);
  try {
    if ((await database.get('m/state')) !== undefined)
      throw new HoldfastError('OBJECT_EXISTS', {
        thing: `database ${directory}`,
        why: 'there is a state already',
        remedy: 'choose another state.directory, or move this one away',
      });
    let count = 0;
    let batch: Operation[] = [];
    let state: unknown;
    for await (const [key, value] of entries) {
      count += 1;
      // It comes last: a store that was filled by half is none.
      if (key === 'm/state') state = value;
      else batch.push(put(key, value));
      if (batch.length < FILL_BATCH) continue;
      await database.batch(batch);
      batch = [];
    }
    await database.batch([...batch, put('m/state', state)], { sync: true });
    return count;
  } finally {
    await database.close();
  }
};

/** A state store in a directory of its own; every commit is on the disk before it is told. */
export const openLevelStore = async (directory: string, limits: HistoryLimits): Promise<LevelStore> => {
  const database = await openDatabase(directory);
  let state = await readState(database, directory);
  let last: Promise<unknown> = Promise.resolve();

  const feed = createChangeFeed({
    compacted: () => state.compacted,
    async read(after, limit) {
      const range = { gt: `c/${padded(after)}`, lt: endOf('c/'), limit };
      return (await database.values(range).all()) as Change[];
    },
  });

  const kept = async (key: string): Promise<Kept | undefined> => (await database.get(`d/${key}`)) as Kept | undefined;

  const trimChanges = async (count: number): Promise<readonly [Operation[], number, number]> => {
    if (count <= limits.changes * 1.1) return [[], count, state.compacted];
    const keys = await database.keys({ gte: 'c/', lt: endOf('c/'), limit: count - limits.changes }).all();
    return [keys.map((key) => ({ type: 'del', key })), limits.changes, Number(keys.at(-1)!.slice(2))];
  };

  const write = async (commit: Commit): Promise<number> => {
    for (const [key, expected] of Object.entries(commit.expect ?? {})) {
      const found = (await kept(key))?.r ?? 0;
      if (found !== expected) throw conflict(key, expected, found);
    }
    const { revision, events, audit } = numbered(commit, state.revision);
    const change: Change = { revision, keys: [...Object.keys(commit.put ?? {}), ...(commit.delete ?? [])], events };
    const [oldEvents, eventCount] = await trim(database, 'e', state.events + events.length, limits.events);
    const [oldAudit, auditCount] = await trim(database, 'a', state.audit + (audit === undefined ? 0 : 1), limits.audit);
    const [oldChanges, changeCount, compactedTo] = await trimChanges(state.changes + 1);
    const next: State = { format: FORMAT, revision, compacted: compactedTo, events: eventCount, audit: auditCount, changes: changeCount };
    const operations: Operation[] = [
      ...Object.entries(commit.put ?? {}).map(([key, { schema, data }]) =>
        put(`d/${key}`, { r: revision, s: schema, v: data } satisfies Kept),
      ),
      ...(commit.delete ?? []).map((key): Operation => ({ type: 'del', key: `d/${key}` })),
      ...events.flatMap((event) => [put(`e/${padded(event.revision)}`, event), put(subjectKey('e', event.subject, event.revision), '')]),
      ...(audit === undefined ? [] : [put(`a/${padded(revision)}`, audit), put(subjectKey('a', audit.subject, revision), '')]),
      put(`c/${padded(revision)}`, change),
      ...oldEvents,
      ...oldAudit,
      ...oldChanges,
      put('m/state', next),
    ];
    try {
      await database.batch(operations, { sync: true });
    } catch (reason) {
      throw fromSystem(reason, `database ${directory}`);
    }
    state = next;
    feed.wake();
    return revision;
  };

  const history = async <T>(name: 'e' | 'a', { before, limit, subject }: HistoryOptions): Promise<readonly T[]> => {
    const prefix = subject === undefined ? `${name}/` : `s/${name}/${subject}/`;
    const range = { gte: prefix, lt: before === undefined ? endOf(prefix) : `${prefix}${padded(before)}`, reverse: true, limit };
    if (subject === undefined) return (await database.values(range).all()) as T[];
    const keys = await database.keys(range).all();
    const records = await database.getMany(keys.map((key) => `${name}/${key.slice(prefix.length)}`));
    return records.filter((record) => record !== undefined) as T[];
  };

  return {
    revision: () => state.revision,
    async get(key) {
      checkKey(key);
      const found = await kept(key);
      return found === undefined ? undefined : entryOf(key, found);
    },
    async list({ prefix, after = '', limit }) {
      const low = after >= prefix ? { gt: `d/${after}` } : { gte: `d/${prefix}` };
      const found = await database.iterator({ ...low, lt: endOf(`d/${prefix}`), limit }).all();
      return found.map(([key, value]) => entryOf(key.slice(2), value as Kept));
    },
    async commit(commit) {
      checkCommit(commit);
      // One after the other: what a commit expects must hold until it is written.
      const turn = last.then(() => write(commit));
      last = turn.catch(() => undefined);
      return turn;
    },
    watch: (after, signal) => feed.watch(after, signal),
    events: (options) => history<StoredEvent>('e', options),
    audit: (options) => history<StoredAudit>('a', options),
    async *dump() {
      // An iterator of LevelDB sees the database as it was when it was made.
      for await (const entry of database.iterator()) yield entry;
    },
    async close() {
      feed.close();
      await last;
      await database.close();
    },
  };
};
