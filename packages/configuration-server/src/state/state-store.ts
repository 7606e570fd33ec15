import type { JsonValue } from '@bufbuild/protobuf';

/** A value as it is stored: JSON of a known schema, so that later versions know what they read. */
export interface Document {
  /** Number of the form of `data`; each kind of thing counts its own. */
  readonly schema: number;
  readonly data: JsonValue;
}

/** A document under its key, and the revision of the commit that put it there. */
export interface Entry extends Document {
  readonly key: string;
  readonly revision: number;
}

/** Something worth telling: it belongs to the commit that made it happen. */
export interface NewEvent {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly severity: 'information' | 'warning' | 'critical';
  /** A code of docs/errors.md or a kind of transition, "machine-enrolled". */
  readonly code: string;
  readonly text: string;
  /** Id of what it is about; empty for the installation. */
  readonly subject: string;
  readonly actor: string;
}

/** Who did what: kept apart from events, for those who have to prove it later. */
export interface NewAudit {
  readonly at: number;
  readonly actor: string;
  /** "Protect", "CreateToken" … */
  readonly action: string;
  readonly subject: string;
  readonly detail: string;
}

export interface StoredEvent extends NewEvent {
  readonly revision: number;
}

export interface StoredAudit extends NewAudit {
  readonly revision: number;
}

/** What one commit does, all of it or nothing. */
export interface Commit {
  /** Revision that each of these keys must have: 0 = it must not exist. */
  readonly expect?: Readonly<Record<string, number>>;
  readonly put?: Readonly<Record<string, Document>>;
  readonly delete?: readonly string[];
  readonly events?: readonly NewEvent[];
  readonly audit?: NewAudit;
}

/** What a commit changed; the values are read by whoever needs them. */
export interface Change {
  readonly revision: number;
  readonly keys: readonly string[];
  readonly events: readonly StoredEvent[];
}

export interface ListOptions {
  readonly prefix: string;
  /** Only keys behind this one. */
  readonly after?: string;
  /** Most entries. */
  readonly limit: number;
}

/** Which part of a history: the newest first. */
export interface HistoryOptions {
  /** Only records older than this revision. */
  readonly before?: number;
  readonly limit: number;
  /** Only records about this id. */
  readonly subject?: string;
}

/**
 * Everything a configuration server keeps. Revisions are whole numbers that only grow; a commit takes one, or as many as it has events, so
 * that each event has a revision of its own; the commit's revision is the last of them.
 *
 * Keys are 1 to 200 characters of `a-z 0-9 / . _ -`, in the order of these characters.
 */
export interface StateStore {
  /** The newest revision. */
  revision(): number;
  get(key: string): Promise<Entry | undefined>;
  /** Entries in the order of their keys. */
  list(options: ListOptions): Promise<readonly Entry[]>;
  /**
   * Gives the revision. Rejects with VERSION_CONFLICT, and changes nothing, when an expectation is wrong. What is committed survives a
   * crash of process and machine.
   */
  commit(commit: Commit): Promise<number>;
  /**
   * Every change after a revision, in order, then new ones as they come, until `signal` aborts. Rejects with CHANGES_COMPACTED when
   * some of them are not kept any more, also in the middle, when the reader is too slow.
   */
  watch(after: number, signal: AbortSignal): AsyncIterable<Change>;
  events(options: HistoryOptions): Promise<readonly StoredEvent[]>;
  audit(options: HistoryOptions): Promise<readonly StoredAudit[]>;
  close(): Promise<void>;
}

/** How much of the past a store keeps; at least that many, and not many more. */
export interface HistoryLimits {
  readonly events: number;
  readonly audit: number;
  readonly changes: number;
}
