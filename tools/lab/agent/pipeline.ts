import { setTimeout as sleep } from 'node:timers/promises';
import { isHoldfastError } from '@holdfast/errors';
import type { AgentCapture } from './agent-capture.ts';
import type { AgentMessage } from './messages.ts';
import type { Pump } from './pump.ts';

export interface PipelineOptions {
  readonly capture: Pick<AgentCapture, 'copy' | 'cut' | 'failure'>;
  readonly pump: Pump;
  /** Seconds from point to point. */
  readonly pointEvery: number;
  tell(message: AgentMessage): void;
  /** Ends the work when aborted. */
  readonly stop: AbortSignal;
}

export interface Pipeline {
  /** A cut now, whatever the time. */
  pointNow(): void;
  /** Resolves when stopped and everything committed is durable; rejects with whatever makes going on impossible. */
  readonly done: Promise<void>;
}

/** Pause before what found the log full is tried again: by then something may have been carried away. */
const FULL_PAUSE_MS = 100;

/** Protects one machine: first the copy, then a point at every tick, everything through the log into the vault. */
export const startPipeline = (options: PipelineOptions): Pipeline => {
  const { capture, pump, pointEvery, tell, stop } = options;
  let skipRest = new AbortController();
  /** A point was asked for, perhaps while another was being cut. */
  let wanted = false;

  /** Does what writes to the log; when the log is full it is carried on with as soon as the vault has taken something. */
  const unlessFull = async <T>(work: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await work();
      } catch (reason) {
        if (!isHoldfastError(reason, 'NO_SPACE') || stop.aborted) throw reason;
        pump.wake();
        await sleep(FULL_PAUSE_MS);
      }
    }
  };

  const copy = (): Promise<void> =>
    unlessFull(() =>
      capture.copy({
        signal: stop,
        onProgress: ({ done, total }) => {
          tell({ type: 'copying', done, total });
          pump.wake();
        },
      }),
    );

  const cut = async (): Promise<void> => {
    try {
      await unlessFull(() => capture.cut());
      pump.wake();
    } catch (reason) {
      if (!isHoldfastError(reason, 'CAPTURE_NOT_CONVERGED')) throw reason;
      tell({ type: 'skipped', why: reason.why });
    }
  };

  /** Waits for the next tick, for `pointNow` or for the end. */
  const rest = async (milliseconds: number): Promise<void> => {
    skipRest = new AbortController();
    if (wanted) skipRest.abort();
    await sleep(Math.max(0, milliseconds), undefined, { signal: AbortSignal.any([stop, skipRest.signal]) }).catch(() => undefined);
    wanted = false;
  };

  const work = async (): Promise<void> => {
    await copy();
    let due = performance.now();
    while (!stop.aborted) {
      await cut();
      due = Math.max(due + pointEvery * 1000, performance.now());
      await rest(due - performance.now());
    }
    await pump.drained();
  };

  const pointNow = (): void => {
    wanted = true;
    skipRest.abort();
  };

  return { pointNow, done: Promise.race([work(), capture.failure, pump.failure]) };
};
