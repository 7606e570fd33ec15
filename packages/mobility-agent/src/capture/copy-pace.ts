import { setTimeout as sleep } from 'node:timers/promises';

/** Decides how fast a copy may read: it must never be in the way of those who work with the disk. */
export interface CopyPace {
  /** Resolves when reading may go on, or the signal is aborted, with the bytes that may be read then without asking again. */
  next(signal: AbortSignal | undefined): Promise<number>;
  /**
   * So many bytes were read, in so many milliseconds. `others`: bytes that others read and wrote on that disk meanwhile; undefined where nobody knows. True:
   * better stop here, and ask again.
   */
  read(bytes: number, milliseconds: number, others?: number): boolean;
}

/** What may change while a copy goes on. */
export interface CopyPaceSettings {
  /** Bytes a second; 0 for no limit. */
  readonly rate: number;
  /** True: reads less when a read takes longer than usual and others use the disk. */
  readonly yields: boolean;
  /** True: nothing is read until it is false again. */
  readonly paused?: boolean;
}

/** Bytes read without asking again: a second of a slow rate at most, so that cuts find their turn. */
const MOST = 256 * 1024 * 1024;
const LEAST = 1024 * 1024;
/** A read that takes so many times as long as usual means that others use the disk; */
const SLOW = 3;
/** below this many milliseconds for a MiB it never does. */
const UNNOTICED = 4;
/** Of what is read and written on the disk, the part that has to be others' for them to count: a read also takes long because processors are busy. */
const NOTICED = 1 / 64;
/** Weight of the newest read in what is known of the present ones: of how long they take, and of what others do meanwhile. */
const WEIGHT = { time: 0.25, others: 0.5 } as const;
/** Longest rest, milliseconds. */
const LONGEST_REST = 1000;
/** Of the usual time by which it grows with every read, so that a disk which became slower for good is believed at last. */
const FORGET = 0.002;

type Sleep = (milliseconds: number, signal: AbortSignal | undefined) => Promise<unknown>;

class WatchfulPace implements CopyPace {
  readonly #settings: CopyPaceSettings;
  readonly #now: () => number;
  readonly #sleep: Sleep;
  /** Bytes read beyond what the rate allows, as of `#settled`. */
  #debt = 0;
  #settled: number;
  /** Milliseconds for a MiB: of the present reads, and when nobody else uses the disk. */
  #present: number | undefined;
  #usual: number | undefined;
  /** Of the bytes read and written on the disk, the part that is others'; 1 where nobody knows. */
  #others = 0;
  #rest = 0;

  constructor(settings: CopyPaceSettings, now: () => number, sleep: Sleep) {
    this.#settings = settings;
    this.#now = now;
    this.#sleep = sleep;
    this.#settled = now();
  }

  async next(signal: AbortSignal | undefined): Promise<number> {
    for (;;) {
      const { rate, paused = false } = this.#settings;
      this.#settle();
      if (paused && signal?.aborted !== true) {
        await this.#sleep(LONGEST_REST, signal);
        continue;
      }
      const wait = Math.max(this.#rest, rate === 0 ? 0 : (this.#debt * 1000) / rate);
      this.#rest = 0;
      if (wait < 1 || signal?.aborted === true) return rate === 0 ? MOST : Math.min(MOST, Math.max(LEAST, rate));
      // In steps: the rate may change.
      await this.#sleep(Math.min(wait, LONGEST_REST), signal);
    }
  }

  read(bytes: number, milliseconds: number, others?: number): boolean {
    this.#settle();
    if (this.#settings.rate > 0) this.#debt += bytes;
    if (this.#settings.paused === true) return true;
    if (!this.#settings.yields || bytes < LEAST / 4) return false;
    const time = (milliseconds * LEAST) / bytes;
    this.#present = this.#present === undefined ? time : this.#present * (1 - WEIGHT.time) + time * WEIGHT.time;
    this.#others += ((others === undefined ? 1 : others / (others + bytes)) - this.#others) * WEIGHT.others;
    this.#usual = this.#usual === undefined ? time : Math.min(this.#usual * (1 + FORGET), Math.max(time, UNNOTICED / SLOW));
    if (this.#present < UNNOTICED || this.#present < this.#usual * SLOW || this.#others < NOTICED) return false;
    // The longer a read takes, the smaller is the part of the time that is spent reading.
    this.#rest = Math.min(LONGEST_REST, this.#rest + milliseconds * (this.#present / this.#usual));
    return true;
  }

  #settle(): void {
    const time = this.#now();
    this.#debt = Math.max(0, this.#debt - (this.#settings.rate * (time - this.#settled)) / 1000);
    this.#settled = time;
  }
}

const pause: Sleep = (milliseconds, signal) => sleep(milliseconds, undefined, { ...(signal && { signal }) }).catch(() => undefined);

/** `settings` are looked at again and again. `now` in milliseconds, of a clock that never goes back. */
export const createCopyPace = (settings: CopyPaceSettings, now: () => number = () => performance.now(), wait: Sleep = pause): CopyPace =>
  new WatchfulPace(settings, now, wait);
