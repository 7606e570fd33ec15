import { HoldfastError } from '@holdfast/errors';

export interface Interruption {
  readonly signal: AbortSignal;
  /** Signals have their usual meaning again. */
  release(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Turns Ctrl-C and its relatives into an aborted signal with reason INTERRUPTED; a second one changes nothing, `again` is told of it. */
export const createInterruption = (again: () => void): Interruption => {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) again();
    else
      controller.abort(
        new HoldfastError('INTERRUPTED', { thing: 'the run', why: `it was ended by ${name}`, remedy: 'start it again whenever you like' }),
      );
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
};

/** Waits for the first of these promises, but not longer than until the signal; rejects with the signal's reason then. */
export const unlessAborted = async <T>(signal: AbortSignal, ...promises: readonly Promise<T>[]): Promise<T> => {
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
  });
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([aborted, ...promises]);
  } finally {
    signal.removeEventListener('abort', abort);
    aborted.catch(() => undefined);
  }
};
