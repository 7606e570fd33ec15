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

/** Protects one machine: first the copy, then a point at every tick, everything through the log into the vault. */
export const startPipeline = (options: PipelineOptions): Pipeline => {
  const { capture, pump, pointEvery, tell, stop } = options;
  let skipRest = new AbortController();
  /** A point was asked for, perhaps while another was being cut. */
  let wanted = false;

  let commits = 0;
  const committed = (): void => {
    commits += 1;
    pump.wake();
  };

  /** Does what writes to the log; when the log is full it is gone on with once the vault has taken everything. */
  const unlessFull = async <T>(work: () => Promise<T>): Promise<T> => {
    let emptyAt = -1;
    for (;;) {
      try {
        return await work();
      } catch (reason) {
        // What does not fit into an empty log never will.
        if (!isHoldfastError(reason, 'NO_SPACE') || stop.aborted || commits === emptyAt) throw reason;
        await pump.drained();
        emptyAt = commits;
      }
    }
  };

  const copy = (): Promise<void> =>
    unlessFull(() =>
      capture.copy({
        signal: stop,
        onProgress: ({ done, total }) => {
          tell({ type: 'copying', done, total });
          committed();
        },
      }),
    );

  const cut = async (): Promise<void> => {
    try {
      await unlessFull(() => capture.cut());
      committed();
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
