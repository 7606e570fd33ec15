import { newId } from '@holdfast/protocol';
import type { Known } from '../control/presence.ts';
import { until } from '../jobs/until.ts';
import { find } from '../records/kind.ts';
import { transact } from '../records/transaction.ts';
import type { Notifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';
import { type CheckRecord, checkRecords } from './check-record.ts';

/** `late`: it was asked and says nothing. `unable`: it is away, has not reported yet, or is of a version that cannot look. */
export type Answer = CheckRecord | 'late' | 'unable';

export interface AskParts {
  readonly store: StateStore;
  readonly notifier: Notifier;
  /** Milliseconds to wait for an answer. */
  readonly patience: number;
}

type Member = Known<unknown, { readonly unixMillis: bigint }> | undefined;

/** Whether a member looks around when it is asked: it says so by telling the time. */
const canLook = (member: Member): boolean => member?.connected === true && (member.report?.unixMillis ?? 0n) > 0n;

/** What a member is asked about, beyond what it looks at anyway. */
export interface Asked {
  /** Of agents: addresses to reach. */
  readonly servers?: readonly string[];
  /** Of process servers: bridges that machines are to be plugged into. */
  readonly bridges?: readonly string[];
}

const sameServers = (a: readonly string[], b: readonly string[]): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Bridges that one request is about, at most. */
const MOST_BRIDGES = 32;

/** Those of the request before are asked for too: machines on different networks are looked at in turns, and one answer does for all. */
const withThoseBefore = (bridges: readonly string[], before: readonly string[]): readonly string[] => {
  const both = [...new Set([...bridges, ...before])];
  return bridges.length === 0 || both.length > MOST_BRIDGES ? bridges.slice(0, MOST_BRIDGES) : both;
};

/**
 * Asks a member to look around, and waits for the answer. Whoever asks the same while it looks gets the same answer, and so does who is content
 * with one that is no older than `age` milliseconds.
 */
export const askMember = async (
  { store, notifier, patience }: AskParts,
  id: string,
  member: Member,
  { servers = [], bridges = [] }: Asked,
  age = 0,
): Promise<Answer> => {
  if (!canLook(member)) return 'unable';
  const { result: asked } = await transact(store, async (transaction) => {
    const before = (await transaction.read(checkRecords, id))?.value;
    const now = Date.now();
    const isFresh = before !== undefined && (before.answered === 0 ? now - before.asked < patience : now - before.answered < age);
    const looked = before?.bridges ?? [];
    if (isFresh && sameServers(before.servers, servers) && bridges.every((name) => looked.includes(name))) return before.asked;
    const asked = { servers, bridges: withThoseBefore(bridges, looked) };
    transaction.put(checkRecords, id, { requestId: newId(), ...asked, asked: now, answered: 0, findings: [] });
    return now;
  });
  const look = async (): Promise<CheckRecord | 'late' | undefined> => {
    const record = (await find(store, checkRecords, id))?.value;
    if (record === undefined) return 'late';
    // An answer to somebody who asked later is as good.
    return record.answered === 0 || record.asked < asked ? undefined : record;
  };
  const limit = AbortSignal.timeout(patience);
  return (await until(look, [(listener) => notifier.subscribe([checkRecords.key(id)], listener)], limit)) ?? 'late';
};

/** What a member found last; undefined when it never looked. */
export const lastAnswer = async (store: StateStore, id: string): Promise<CheckRecord | undefined> => {
  const record = (await find(store, checkRecords, id))?.value;
  return record === undefined || record.answered === 0 ? undefined : record;
};
