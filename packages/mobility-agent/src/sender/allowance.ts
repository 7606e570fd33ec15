import { createNotice } from './notice.ts';

/** What the server allows to be sent now: bytes granted and not yet used, no faster than it asks for. */
export interface Allowance {
  readonly credit: number;
  /** Bytes a second; 0 where there is no limit. */
  readonly pace: number;
  grant(bytes: number): void;
  setPace(bytesPerSecond: number): void;
  /** Resolves when this many bytes are granted, or when the signal is aborted. */
  granted(bytes: number, signal: AbortSignal): Promise<void>;
  /** Resolves when the pace allows to send, or when the signal is aborted. */
  paced(signal: AbortSignal): Promise<void>;
  /** So many bytes are sent. */
  spend(bytes: number): void;
}

/** `now` in milliseconds, of a clock that never goes back. */
export const createAllowance = (now: () => number = () => performance.now()): Allowance => {
  let credit = 0;
  let pace = 0;
  /** Bytes sent that the pace has not made up for yet, as they were at `settled`. */
  let debt = 0;
  let settled = now();
  const granting = createNotice();
  const pacing = createNotice();

  const settle = (): void => {
    const time = now();
    debt = pace === 0 ? 0 : Math.max(0, debt - (pace * (time - settled)) / 1000);
    settled = time;
  };

  return {
    get credit() {
      return credit;
    },
    get pace() {
      return pace;
    },
    grant(bytes) {
      credit = Math.min(Number.MAX_SAFE_INTEGER, credit + bytes);
      granting.give();
    },
    setPace(bytesPerSecond) {
      settle();
      pace = bytesPerSecond;
      // What was sent under another pace costs at most a second of this one.
      debt = Math.min(debt, pace);
      pacing.give();
    },
    async granted(bytes, signal) {
      while (credit < bytes && !signal.aborted) await granting.wait(signal);
    },
    async paced(signal) {
      for (settle(); debt > 0 && !signal.aborted; settle()) await pacing.wait(signal, Math.ceil((debt * 1000) / pace));
    },
    spend(bytes) {
      settle();
      credit -= bytes;
      if (pace > 0) debt += bytes;
    },
  };
};
