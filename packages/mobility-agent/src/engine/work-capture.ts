import { isHoldfastError } from '@holdfast/errors';
import type { Hrl } from '../hrl/hrl.ts';
import { createNotice, type Notice } from '../sender/notice.ts';
import type { MachineCapture } from './machine-capture.ts';

/** Milliseconds between attempts at disks that cannot be captured. */
const RETRY_MISSING = 3_000;
/** Share of the log that must be free again before cuts go on after it was full: each attempt reads all changes. */
const ROOM = 0.5;

export interface CaptureWork {
  readonly capture: MachineCapture;
  readonly hrl: Pick<Hrl, 'usedBytes' | 'quotaBytes' | 'committed'>;
  /** Makes a cut of the capture. */
  cut(signal: AbortSignal): Promise<unknown>;
  /** Milliseconds from point to point; asked at each. */
  interval(): number;
  /** Given when a point is wanted now, or the interval changed. */
  readonly pointWanted: Notice;
  /** Given when a cut was freed. */
  readonly freed: Notice;
  /** Something was committed: cuts, or pieces of a copy. */
  onCommitted(): void;
  /** A cut did not converge. */
  onSkipped(reason: Error): void;
  /** The log is full: changes are remembered, but no points are made; or that is over. */
  onFull(full: boolean): void;
  /** A copy of every disk is complete: points follow. */
  onCopied(): void;
  /** Ends the work. */
  readonly signal: AbortSignal;
}

/** A cut does not fit even into an empty log: only a copy in pieces can go on. */
export class TooMuchForLog extends Error {}

/** Copies what is to be copied and makes points until the signal is aborted; rejects with what makes going on impossible. */
export const workCapture = async (work: CaptureWork): Promise<void> => {
  const { capture, hrl, interval, pointWanted, freed, onCommitted, onSkipped, onFull, onCopied } = work;
  const over = new AbortController();
  const signal = AbortSignal.any([work.signal, over.signal]);

  /** Does what writes to the log; while the log is full, waits until the vault has taken enough of it. */
  const unlessFull = async <T>(
    attempt: (progress: () => void) => Promise<T>,
    tooMuch: (reason: Error) => Error,
  ): Promise<T | undefined> => {
    for (let full = false; !signal.aborted; full = true) {
      let wasEmpty = hrl.committed().length === 0;
      try {
        const result = await attempt(() => {
          // What fills the log from now on is the attempt's own: there will be room again.
          wasEmpty = false;
        });
        if (full) onFull(false);
        return result;
      } catch (reason) {
        if (!isHoldfastError(reason, 'NO_SPACE')) throw reason;
        if (wasEmpty) throw tooMuch(reason);
        if (!full) onFull(true);
        while (!signal.aborted && hrl.committed().length > 0 && hrl.usedBytes > hrl.quotaBytes * ROOM) await freed.wait(signal);
      }
    }
    return undefined;
  };

  const found = createNotice();
  /** Beside the copy, which may take for ever: of a disk that is read instead of traced, and never rests. */
  const retryMissing = async (): Promise<void> => {
    const pause = createNotice();
    while (!signal.aborted && capture.missing.size > 0) {
      await pause.wait(signal, RETRY_MISSING);
      if (signal.aborted) return;
      await capture.retryMissing();
      found.give();
    }
  };

  const copy = async (): Promise<void> => {
    while (!signal.aborted) {
      // A disk that is found meanwhile may be too late for this copy.
      const missing = capture.missing.size;
      await unlessFull(
        (progress) =>
          capture.copy({
            signal,
            onProgress() {
              progress();
              onCommitted();
            },
          }),
        (reason) => reason,
      );
      if (signal.aborted) return;
      onCopied();
      pointWanted.give();
      if (missing === 0) return;
      while (capture.missing.size === missing && !signal.aborted) await found.wait(signal);
    }
  };

  const cut = async (): Promise<void> => {
    try {
      await unlessFull(
        () => work.cut(signal),
        (reason) => new TooMuchForLog(reason.message, { cause: reason }),
      );
      onCommitted();
    } catch (reason) {
      if (isHoldfastError(reason, 'INTERRUPTED') && signal.aborted) return;
      if (!isHoldfastError(reason, 'CAPTURE_NOT_CONVERGED')) throw reason;
      onSkipped(reason);
    }
  };

  const cuts = async (): Promise<void> => {
    while (!signal.aborted) {
      const began = performance.now();
      if (capture.canCut) await cut();
      await pointWanted.wait(signal, Math.max(0, began + interval() - performance.now()));
    }
  };

  const works = [copy(), cuts(), retryMissing()];
  try {
    await Promise.race([Promise.all(works), capture.failure]);
  } finally {
    over.abort();
    await Promise.allSettled(works);
  }
};
