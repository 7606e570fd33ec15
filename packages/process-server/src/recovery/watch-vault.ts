import { setTimeout as sleep } from 'node:timers/promises';
import { fromSystem, HoldfastError } from '@holdfast/errors';

export interface WatchVaultOptions {
  /** Asks the vault for anything. */
  readonly look: () => Promise<unknown>;
  /** Its name. */
  readonly vault: string;
  /** Milliseconds for which it may not answer. */
  readonly patience: number;
  /** Ends the watch. */
  readonly over: AbortSignal;
}

/** Questions for each patience. */
const LOOKS = 8;

/** A signal that is aborted, with STORE_UNAVAILABLE, once a vault has not answered for so long; that it refuses something is an answer. */
export const watchVault = ({ look, vault, patience, over }: WatchVaultOptions): AbortSignal => {
  const away = new AbortController();
  const period = patience / LOOKS;
  const watch = async (): Promise<void> => {
    /** Periods without an answer: of a program that stands still itself, no more than one goes by. */
    let silent = 0;
    let why = 'it does not answer';
    let isAsking = false;
    const ask = async (): Promise<void> => {
      isAsking = true;
      try {
        await look();
        silent = 0;
      } catch (reason) {
        const error = fromSystem(reason, `vault ${vault}`);
        if (error.retryable) why = error.why;
        else silent = 0;
      }
      isAsking = false;
    };
    for (; !over.aborted && silent < LOOKS; silent += 1) {
      if (!isAsking) void ask();
      await sleep(period, undefined, { signal: over, ref: false }).catch(() => undefined);
    }
    if (over.aborted) return;
    away.abort(
      new HoldfastError('STORE_UNAVAILABLE', {
        thing: `vault ${vault}`,
        why: `it has not answered for ${Math.round(patience / 1000)} s: ${why}`,
        remedy: 'see that the process server reaches it',
      }),
    );
  };
  void watch();
  return away.signal;
};
