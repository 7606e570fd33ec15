import { createChangeFeed } from './change-feed.ts';
import { checkCommit, checkKey, conflict, numbered } from './check-commit.ts';
import type { Change, Entry, HistoryLimits, HistoryOptions, StateStore, StoredAudit, StoredEvent } from './state-store.ts';

const page = <T extends StoredEvent | StoredAudit>(records: readonly T[], { before = Infinity, limit, subject }: HistoryOptions): T[] =>
  records
    .filter((record) => record.revision < before && (subject === undefined || record.subject === subject))
    .toReversed()
    .slice(0, limit);

/** A state store that forgets everything when the process ends: for specs, and the model that other stores are compared with. */
export const createMemoryStore = (limits: HistoryLimits): StateStore => {
  const entries = new Map<string, Entry>();
  let events: StoredEvent[] = [];
  let audit: StoredAudit[] = [];
  let changes: Change[] = [];
  let newest = 0;
  let compactedTo = 0;
  const feed = createChangeFeed({
    compacted: () => compactedTo,
    read: async (after, limit) => changes.filter(({ revision }) => revision > after).slice(0, limit),
  });

  return {
    revision: () => newest,
    async get(key) {
      checkKey(key);
      return structuredClone(entries.get(key));
    },
    async list({ prefix, after = '', limit }) {
      const keys = [...entries.keys()].filter((key) => key.startsWith(prefix) && key > after).toSorted();
      return keys.slice(0, limit).map((key) => structuredClone(entries.get(key)!));
    },
    async commit(commit) {
      checkCommit(commit);
      for (const [key, expected] of Object.entries(commit.expect ?? {})) {
        const found = entries.get(key)?.revision ?? 0;
        if (found !== expected) throw conflict(key, expected, found);
      }
      const told = numbered(commit, newest);
      newest = told.revision;
      for (const [key, document] of Object.entries(commit.put ?? {}))
        entries.set(key, structuredClone({ key, revision: newest, schema: document.schema, data: document.data }));
      for (const key of commit.delete ?? []) entries.delete(key);
      events = [...events, ...told.events].slice(-limits.events);
      if (told.audit !== undefined) audit = [...audit, told.audit].slice(-limits.audit);
      changes.push({ revision: newest, keys: [...Object.keys(commit.put ?? {}), ...(commit.delete ?? [])], events: told.events });
      const excess = changes.length - limits.changes;
      if (excess > 0) {
        compactedTo = changes[excess - 1]!.revision;
        changes = changes.slice(excess);
      }
      feed.wake();
      return newest;
    },
    watch: (after, signal) => feed.watch(after, signal),
    events: async (options) => page(events, options),
    audit: async (options) => page(audit, options),
    close: async () => feed.close(),
  };
};
