import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { Log } from '../log/log.ts';
import { within } from './within.ts';

/** From the start of a program to its exit status. */
export interface Lifecycle {
  /** Aborted at the first call of `stop`, with an INTERRUPTED error that says why. */
  readonly stopping: AbortSignal;
  /** See ProgramContext. */
  onStop(name: string, close: () => void | Promise<void>): void;
  /** See ProgramContext. */
  run(name: string, work: (stopping: AbortSignal) => Promise<void>): void;
  /** Begins the orderly stop. The first call counts. */
  stop(reason: string | Error): void;
  /** The exit status, once the program was told to stop and everything is closed or the deadline is over. */
  finished(): Promise<number>;
}

interface Resource {
  readonly name: string;
  readonly close: () => void | Promise<void>;
}

const incomplete = (open: readonly string[], deadline: number): HoldfastError =>
  new HoldfastError('STOP_INCOMPLETE', {
    thing: open.join(', '),
    why: `still open ${deadline / 1000} s after the program was told to stop`,
    remedy: 'look into what holds it, or raise stop.deadline',
  });

/** `deadline`: milliseconds the whole stop may take. */
export const createLifecycle = (log: Log, deadline: number): Lifecycle => {
  const controller = new AbortController();
  const resources: Resource[] = [];
  const works = new Map<string, Promise<void>>();
  let status = 0;

  const fail = (message: string, error: unknown): void => {
    const named = fromSystem(error, message, 'INTERNAL');
    log.error(message, { error: named });
    if (status === 0) status = named.exitCode;
  };

  const stop = (reason: string | Error): void => {
    if (controller.signal.aborted) return;
    if (reason instanceof Error) fail('The program stops because of an error', reason);
    else log.info('The program stops', { reason });
    const why = reason instanceof Error ? reason.message : reason;
    controller.abort(new HoldfastError('INTERRUPTED', { thing: 'program', why, remedy: 'start it again', cause: reason }));
  };

  const run = (name: string, work: (stopping: AbortSignal) => Promise<void>): void => {
    const running = (async () => work(controller.signal))().catch((error: unknown) => {
      if (!controller.signal.aborted) stop(fromSystem(error, name, 'INTERNAL'));
      else if (error !== controller.signal.reason) log.warn('Work ended with an error while stopping', { work: name, error });
    });
    works.set(name, running);
    void running.then(() => works.delete(name));
  };

  const closeAll = async (): Promise<void> => {
    while (works.size > 0) await Promise.all(works.values());
    for (let resource = resources.at(-1); resource !== undefined; resource = resources.at(-1)) {
      const { name, close } = resource;
      await Promise.resolve()
        .then(close)
        .catch((error: unknown) => fail(`${name} could not be closed in order`, error));
      resources.splice(resources.indexOf(resource), 1);
    }
  };

  return {
    stopping: controller.signal,
    onStop: (name, close) => void resources.push({ name, close }),
    run,
    stop,
    async finished() {
      if (!controller.signal.aborted) {
        await new Promise<void>((resolve) => controller.signal.addEventListener('abort', () => resolve(), { once: true }));
      }
      const closed = await within(deadline, closeAll);
      const open = [...works.keys(), ...resources.map(({ name }) => name).toReversed()];
      if (!closed.done) fail('Not everything was closed', incomplete(open, deadline));
      return status;
    },
  };
};
