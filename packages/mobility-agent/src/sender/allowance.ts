import { createRate } from '@holdfast/daemon';
import { createNotice } from './notice.ts';

/** What the server allows to be sent now: bytes granted and not yet used, no faster than it asks for. */
export interface Allowance {
  readonly credit: number;
  /** Bytes a second the server asks for; 0 where it asks for nothing. */
  readonly pace: number;
  /** Bytes to send at once at most, so that what is slow stays steady. */
  readonly burst: number;
  grant(bytes: number): void;
  setPace(bytesPerSecond: number): void;
  /** Resolves when this many bytes are granted, or when the signal is aborted. */
  granted(bytes: number, signal: AbortSignal): Promise<void>;
  /** Resolves when the pace allows to send, or when the signal is aborted. */
  paced(signal: AbortSignal): Promise<void>;
  /** So many bytes are sent. */
  spend(bytes: number): void;
}

/** Parts of a second that one message may take at a slow pace. */
const BURSTS = 4;
const LEAST_BURST = 64 * 1024;

/** `limit`: bytes a second allowed here at the moment, 0 for no limit. `now` in milliseconds, of a clock that never goes back. */
export const createAllowance = (limit: () => number = () => 0, now: () => number = () => performance.now()): Allowance => {
  let credit = 0;
  let pace = 0;
  const granting = createNotice();
  const pacing = createNotice();

  const bytesPerSecond = (): number => {
    const own = limit();
    return own === 0 || (pace > 0 && pace < own) ? pace : own;
  };
  const rate = createRate(bytesPerSecond, now);

  return {
    get credit() {
      return credit;
    },
    get pace() {
      return pace;
    },
    get burst() {
      const most = bytesPerSecond();
      return most === 0 ? Number.POSITIVE_INFINITY : Math.max(LEAST_BURST, most / BURSTS);
    },
    grant(bytes) {
      credit = Math.min(Number.MAX_SAFE_INTEGER, credit + bytes);
      granting.give();
    },
    setPace(wanted) {
      pace = wanted;
      rate.changed();
      pacing.give();
    },
    async granted(bytes, signal) {
      while (credit < bytes && !signal.aborted) await granting.wait(signal);
    },
    async paced(signal) {
      for (let wait = rate.wait(); wait > 0 && !signal.aborted; wait = rate.wait()) await pacing.wait(signal, wait);
    },
    spend(bytes) {
      credit -= bytes;
      rate.spend(bytes);
    },
  };
};
