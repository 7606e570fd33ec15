import { HoldfastError } from '@holdfast/errors';

export interface Interruption {
  readonly signal: AbortSignal;
  /** The run is over: signals have their usual meaning again, and whoever still waits for something is told by `signal`. */
  release(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Turns Ctrl-C and its relatives into an aborted signal with reason INTERRUPTED; a second one changes nothing, `again` is told of it. */
export const createInterruption = (again: () => void): Interruption => {
  const controller = new AbortController();
  const end = (why: string): void =>
    controller.abort(new HoldfastError('INTERRUPTED', { thing: 'the run', why, remedy: 'start it again whenever you like' }));
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) again();
    else end(`it was ended by ${name}`);
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of SIGNALS) process.off(name, onSignal);
      end('it is over');
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
