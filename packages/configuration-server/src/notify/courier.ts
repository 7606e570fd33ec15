import { setTimeout as sleep } from 'node:timers/promises';
import type { Health, Log } from '@holdfast/daemon';
import { fromSystem, type HoldfastError, isHoldfastError } from '@holdfast/errors';
import { find, type Kind, plainKind } from '../records/kind.ts';
import { transact } from '../records/transaction.ts';
import type { StateStore, StoredEvent } from '../state/state-store.ts';

/** Brings events to people by one way. */
export interface Carrier {
  /** "e-mail", "webhook". */
  readonly name: string;
  /** Rejects when they could not be handed over; they are tried again then. REQUEST_INVALID: who receives them does not want these as they are. */
  carry(events: readonly StoredEvent[], signal: AbortSignal): Promise<void>;
}

export interface CourierOptions {
  readonly store: StateStore;
  readonly carrier: Carrier;
  readonly minimum: StoredEvent['severity'];
  readonly log: Log;
  readonly health: Health;
  /** Milliseconds in which events are gathered, and between tries. */
  readonly waits?: { readonly gather: number; readonly first: number; readonly longest: number };
}

/** How far a carrier has come; its id is the carrier's name. */
const positions: Kind<{ readonly revision: number }> = plainKind('courier', 1);

const GRAVITY = { information: 0, warning: 1, critical: 2 } as const;
/** What happens together is told together. */
const WAITS = { gather: 5000, first: 5000, longest: 5 * 60_000 };
const MOST_TOGETHER = 100;
/** Times that a single event is refused before it is given up. */
const MOST_REFUSALS = 3;
/** Revisions without anything to tell after which the place is stored anew: changes are not kept for ever. */
const STORED_EVERY = 200;
/** Events told late, after more changes than are kept. */
const MOST_MISSED = 1000;

/** Ends of alerts are told as well, though they are no warnings. */
const isWanted = ({ severity, code }: StoredEvent, minimum: StoredEvent['severity']): boolean =>
  GRAVITY[severity] >= GRAVITY[minimum] || code.endsWith('-over');

/**
 * Carries every event from a severity on, once it happened, in order and at least once: where it stands is stored, so that nothing is lost
 * with the program. Runs until `stopping` aborts. It begins with what happens from its first start on.
 */
export const runCourier = async (
  { store, carrier, minimum, log, health, waits = WAITS }: CourierOptions,
  stopping: AbortSignal,
): Promise<void> => {
  let problem: HoldfastError | undefined;
  const removeCheck = health.check(`notification by ${carrier.name}`, () => problem?.message);
  const save = async (revision: number): Promise<void> => {
    for (let wait = waits.first; ; wait = Math.min(wait * 2, waits.longest))
      try {
        await transact(store, async (transaction) => transaction.put(positions, carrier.name, { revision }));
        return;
      } catch (reason) {
        // A disk that is full for a while is no reason to end the program.
        if (stopping.aborted || !isHoldfastError(reason) || !reason.retryable) throw reason;
        log.warn('How far people were told could not be written; it is tried again', { by: carrier.name, error: reason, waitMillis: wait });
        await sleep(wait, undefined, { signal: stopping }).catch(() => undefined);
      }
  };

  /** An event that nobody takes does not hold up those behind it; that it was not told is told. */
  const giveUp = async (event: StoredEvent, reason: HoldfastError): Promise<void> => {
    log.error('An event was not taken and is given up', { by: carrier.name, revision: event.revision, code: event.code, error: reason });
    await transact(store, async (transaction) =>
      transaction.event({
        severity: 'information',
        code: 'notification-refused',
        text: `The event ${event.code} of ${new Date(event.at).toISOString()} could not be told by ${carrier.name}: ${reason.why}`.slice(
          0,
          600,
        ),
        subject: event.subject,
        actor: 'configuration server',
      }),
    ).catch((error: unknown) => log.warn('That an event could not be told could not be written', { error }));
  };

  const deliver = async (events: readonly StoredEvent[]): Promise<void> => {
    let refusals = 0;
    for (let wait = waits.first; !stopping.aborted; wait = Math.min(wait * 2, waits.longest)) {
      try {
        await carrier.carry(events, stopping);
        problem = undefined;
        return;
      } catch (reason) {
        if (stopping.aborted) return;
        problem = fromSystem(reason, `notification by ${carrier.name}`, 'CONNECTION_LOST');
        log.warn('Somebody could not be told of events; it is tried again', {
          by: carrier.name,
          events: events.length,
          error: problem,
          waitMillis: wait,
        });
        if (problem.code === 'REQUEST_INVALID' && events.length > 1) {
          for (const event of events) await deliver([event]);
          return;
        }
        refusals = problem.code === 'REQUEST_INVALID' ? refusals + 1 : 0;
        if (refusals === MOST_REFUSALS) {
          await giveUp(events[0]!, problem);
          problem = undefined;
          return;
        }
        await sleep(wait, undefined, { signal: stopping }).catch(() => undefined);
      }
    }
  };

  const position = async (): Promise<number> => {
    const known = await find(store, positions, carrier.name);
    if (known !== undefined) return known.value.revision;
    const revision = store.revision();
    await save(revision);
    return revision;
  };

  /** Events behind `after`, in order; resolves when there is one, and a while later with those that followed. */
  const gather = async (after: number): Promise<{ readonly to: number; readonly events: readonly StoredEvent[] }> => {
    const events: StoredEvent[] = [];
    let to = after;
    const enough = new AbortController();
    const signal = AbortSignal.any([stopping, enough.signal]);
    let timer: NodeJS.Timeout | undefined;
    try {
      for await (const change of store.watch(after, signal)) {
        events.push(...change.events.filter((event) => isWanted(event, minimum)));
        to = change.revision;
        if (events.length >= MOST_TOGETHER || (events.length === 0 && to - after >= STORED_EVERY)) break;
        if (events.length > 0) timer ??= setTimeout(() => enough.abort(), waits.gather);
      }
    } finally {
      clearTimeout(timer);
    }
    return { to, events };
  };

  /** Events after one revision and not after another as the history has them, the oldest first. */
  const missed = async (after: number, to: number): Promise<readonly StoredEvent[]> => {
    const found: StoredEvent[] = [];
    for (let before = to + 1; found.length < MOST_MISSED; ) {
      const page = await store.events({ before, limit: MOST_TOGETHER });
      const fresh = page.filter(({ revision }) => revision > after);
      found.push(...fresh.filter((event) => isWanted(event, minimum)));
      if (fresh.length < MOST_TOGETHER) break;
      before = fresh.at(-1)!.revision;
    }
    return found.toReversed();
  };

  try {
    let after = await position();
    while (!stopping.aborted) {
      try {
        const { to, events } = await gather(after);
        if (events.length > 0) await deliver(events);
        if (stopping.aborted && events.length > 0) return;
        if (to > after) await save(to);
        after = to;
      } catch (reason) {
        if (!isHoldfastError(reason, 'CHANGES_COMPACTED')) throw reason;
        const to = store.revision();
        const events = await missed(after, to);
        log.warn('More happened than history.changes keeps; the newest of it is told from the events that are kept', {
          by: carrier.name,
          events: events.length,
        });
        for (let from = 0; from < events.length; from += MOST_TOGETHER) await deliver(events.slice(from, from + MOST_TOGETHER));
        if (stopping.aborted) return;
        await save(to);
        after = to;
      }
    }
  } finally {
    removeCheck();
  }
};
