import { setTimeout as wait } from 'node:timers/promises';
import { isHoldfastError } from '@holdfast/errors';
import type { StatusLine } from '../output/status-line.ts';

/** Milliseconds before the first other try, and the most. */
const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;

/** Waits a little; rejects with the reason of `stop` when that is aborted. */
export const pause = (stop: AbortSignal, milliseconds = FIRST_WAIT): Promise<void> =>
  wait(milliseconds, undefined, { signal: stop }).catch(() => stop.throwIfAborted());

export interface ReconnectOptions {
  readonly stop: AbortSignal;
  readonly status: StatusLine;
}

/**
 * The messages of a stream; when the connection is lost it is opened again, for ever, with growing waits. Whoever calls this has reached the
 * server before: it is there, and will come back.
 */
export async function* reconnecting<Message>(
  open: () => AsyncIterable<Message>,
  { stop, status }: ReconnectOptions,
): AsyncGenerator<Message> {
  for (let next = FIRST_WAIT; ; next = Math.min(next * 2, LONGEST_WAIT))
    try {
      for await (const message of open()) {
        next = FIRST_WAIT;
        yield message;
      }
      return;
    } catch (reason) {
      if (stop.aborted) throw stop.reason;
      if (!isHoldfastError(reason) || !reason.retryable) throw reason;
      status.status(`${reason.message}; trying again`);
      await pause(stop, next);
    }
}
