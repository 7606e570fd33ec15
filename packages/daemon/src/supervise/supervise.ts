import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '@holdfast/errors';
import type { ProgramContext } from '../program/program.ts';
import { within } from '../stop/within.ts';
import { type BackOffOptions, createBackOff } from './back-off.ts';
import { type Child, type ChildEnd, type SupervisedProgram, startChild } from './child.ts';

export interface SuperviseOptions {
  readonly backOff?: BackOffOptions;
  /** Milliseconds a child may take to end after SIGTERM before it is killed. */
  readonly patience?: number;
}

export interface SupervisedState {
  readonly name: string;
  /** Absent while it does not run. */
  readonly pid?: number;
  readonly ready: boolean;
  readonly restarts: number;
}

/** The programs that are looked after. */
export interface Supervision {
  states(): readonly SupervisedState[];
}

const BACK_OFF: BackOffOptions = { first: 1000, longest: 60_000, forget: 300_000 };
const PATIENCE = 25_000;
/** Exit status of a program whose settings are wrong: starting it again would not help. */
const WRONG_SETTINGS = 2;

type Context = Pick<ProgramContext, 'log' | 'health' | 'run' | 'stopping'>;

interface Watched {
  readonly program: SupervisedProgram;
  child: Child | undefined;
  ready: boolean;
  wasReady: boolean;
  restarts: number;
}

const words = (end: ChildEnd): string => ('signal' in end ? `it was ended by ${end.signal}` : `it ended with exit status ${end.status}`);

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** Ends quietly when the program stops. */
const pause = (milliseconds: number, stopping: AbortSignal): Promise<unknown> =>
  sleep(milliseconds, undefined, { signal: stopping }).catch(() => undefined);

/**
 * Runs several programs as children of this one and starts each again when it ends, with growing waits. Resolves when all were ready
 * once. At the stop they end in reverse order. A child that cannot start for its settings stops this program too, with the same status.
 */
export const supervise = async (
  { log, health, run, stopping }: Context,
  programs: readonly SupervisedProgram[],
  { backOff = BACK_OFF, patience = PATIENCE }: SuperviseOptions = {},
): Promise<Supervision> => {
  const all = programs.map((program): Watched => ({ program, child: undefined, ready: false, wasReady: false, restarts: 0 }));

  const end = async (child: Child, after: Promise<unknown>): Promise<void> => {
    await after;
    child.kill('SIGTERM');
    const outcome = await within(patience, () => child.ended);
    if (!outcome.done) child.kill('SIGKILL');
    await child.ended;
  };

  const live = async (watched: Watched, onReady: () => void, after: Promise<unknown>): Promise<ChildEnd> => {
    const { name } = watched.program;
    const child = await startChild(watched.program, ({ holdfast }) => {
      watched.ready = holdfast === 'ready';
      watched.wasReady ||= watched.ready;
      if (watched.ready) onReady();
    });
    watched.child = child;
    log.info('A program was started', { name, child: child.pid });
    const stop = (): void => void end(child, after);
    if (stopping.aborted) stop();
    stopping.addEventListener('abort', stop, { once: true });
    const how = await child.ended;
    stopping.removeEventListener('abort', stop);
    watched.child = undefined;
    watched.ready = false;
    return how;
  };

  const lookAfter = async (watched: Watched, onReady: () => void, after: Promise<unknown>): Promise<void> => {
    const { name } = watched.program;
    const waits = createBackOff(backOff);
    while (!stopping.aborted) {
      const since = performance.now();
      const how = await live(watched, onReady, after);
      if (stopping.aborted) return;
      if ('status' in how && how.status === WRONG_SETTINGS && !watched.wasReady) {
        throw new HoldfastError('SETTING_INVALID', { thing: name, why: words(how), remedy: 'correct the setting it names above' });
      }
      const wait = waits.next(performance.now() - since);
      watched.restarts += 1;
      log.warn('A program ended and is started again', { name, why: words(how), restarts: watched.restarts, waitMillis: wait });
      await pause(wait, stopping);
    }
  };

  const over = all.map(() => Promise.withResolvers<void>());
  const ready = all.map((watched, index) => {
    const { name } = watched.program;
    const first = Promise.withResolvers<void>();
    const after = Promise.all(over.slice(index + 1).map(({ promise }) => promise));
    health.check(name, () => (watched.ready ? undefined : `${name} is not ready`));
    run(name, () => lookAfter(watched, first.resolve, after).finally(over[index]!.resolve));
    return first.promise;
  });
  await Promise.race([Promise.all(ready), aborted(stopping)]);
  return {
    states: () =>
      all.map(({ program: { name }, child, ready, restarts }) => ({
        name,
        ...(child === undefined ? {} : { pid: child.pid }),
        ready,
        restarts,
      })),
  };
};
