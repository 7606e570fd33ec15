import { isHoldfastError } from '@holdfast/errors';
import type { Commit, Document, NewAudit, NewEvent, StateStore } from '../state/state-store.ts';
import { find, type Kind, type Stored } from './kind.ts';
import { createTurn, type Turn } from './turn.ts';

/** Gathers what one commit does; of several things done to one value the last counts. What is read through it is expected to be unchanged when the commit is made. */
export interface Transaction {
  /** The value now; the commit fails when it changes meanwhile. */
  read<T>(kind: Kind<T>, id: string): Promise<Stored<T> | undefined>;
  put<T>(kind: Kind<T>, id: string, value: T): void;
  delete(kind: Kind<unknown>, id: string): void;
  event(event: Omit<NewEvent, 'at'>): void;
  audit(audit: Omit<NewAudit, 'at'>): void;
}

/** Tries when others change the same things; each loss means that somebody else won. */
const TRIES = 20;
/** Losses after which it goes alone: whoever began before may still win, and nobody begins anew, so that it comes through however many want the same. */
const HASTY = 3;

/** Of each store: who waits for whom. */
const turns = new WeakMap<StateStore, Turn>();

const turnOf = (store: StateStore): Turn => {
  const turn = turns.get(store) ?? createTurn();
  turns.set(store, turn);
  return turn;
};

/** One try; undefined when somebody else was faster, unless it is the last one. */
const attemptOnce = async <T>(
  store: StateStore,
  body: (transaction: Transaction) => Promise<T>,
  isLast: boolean,
): Promise<{ readonly revision: number; readonly result: T } | undefined> => {
  const expect: Record<string, number> = {};
  const put: Record<string, Document> = {};
  const gone = new Set<string>();
  const events: NewEvent[] = [];
  let audit: NewAudit | undefined;
  const at = Date.now();
  const result = await body({
    async read(kind, id) {
      const stored = await find(store, kind, id);
      expect[kind.key(id)] = stored?.version ?? 0;
      return stored;
    },
    put: (kind, id, value) => {
      put[kind.key(id)] = kind.document(value);
      gone.delete(kind.key(id));
    },
    delete: (kind, id) => {
      delete put[kind.key(id)];
      gone.add(kind.key(id));
    },
    event: (event) => void events.push({ ...event, at }),
    audit: (record) => {
      audit = { ...record, at };
    },
  });
  const commit: Commit = { expect, put, delete: [...gone], events, ...(audit === undefined ? {} : { audit }) };
  if (Object.keys(put).length + gone.size + events.length === 0 && audit === undefined) return { revision: store.revision(), result };
  try {
    return { revision: await store.commit(commit), result };
  } catch (reason) {
    if (!isHoldfastError(reason, 'VERSION_CONFLICT') || isLast) throw reason;
    return undefined;
  }
};

/**
 * Runs `body` and commits what it gathered; runs it again when somebody else changed what it read. Gives the revision, and what `body`
 * gave. A commit of nothing is not made. `body` itself begins no other one.
 */
export const transact = async <T>(
  store: StateStore,
  body: (transaction: Transaction) => Promise<T>,
): Promise<{ readonly revision: number; readonly result: T }> => {
  const turn = turnOf(store);
  let end: (() => void) | undefined;
  try {
    for (let attempt = 1; ; attempt += 1) {
      if (attempt > HASTY) end ??= await turn.alone();
      else await turn.free();
      const done = await attemptOnce(store, body, attempt === TRIES);
      if (done !== undefined) return done;
    }
  } finally {
    end?.();
  }
};
