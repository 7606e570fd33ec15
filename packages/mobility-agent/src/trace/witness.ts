/**
 * The independent witness. The kernel counts the sectors of every completed write of a disk, whoever traces it, just after it traced the
 * completion. So `counted - traced`, both at one instant, is a constant, the baseline, but for requests that are between the two steps.
 *
 * A count is read between two instants, before and after. Traced up to *after* holds all it can hold: `counted - traced(after)` is never
 * above the baseline, and equals it when nothing completed during the reading. Above it: the trace misses writes. Traced up to *before*
 * holds nothing it does not hold, so `counted - traced(before)` reaches the baseline unless a request is between the two steps at *before*.
 * If it never does, the kernel did not count for a while, and the witness is worth nothing. Neither needs the disk to be idle.
 *
 * Of a disk without requests what is queued stands for what is traced, which the kernel counts after it told of it. So the first holds for it
 * as it is; the second does not, for what is under way is told of and not counted yet.
 */

/** Some readings of one disk's count of written sectors, to be held against the trace once a settled drain has told `late` of all completions. */
export interface Readings {
  /** Before this instant nothing is late. */
  readonly first: number;
  /** The last count. */
  readonly last: number;
  /** Takes note of sectors traced at `time`, later than `first`. */
  late(time: number, sectors: number): void;
  /** The largest `counted - traced(after)`. `traced`: sectors traced until now. */
  lower(traced: number): number;
  /** The largest `counted - traced(before)`. */
  upper(traced: number): number;
  /** Number of readings during which nothing completed. */
  quiet(): number;
}

const SAMPLES = 8;

class SomeReadings implements Readings {
  readonly first: number;
  readonly last: number;
  readonly #counted = new Float64Array(SAMPLES);
  /** Instants before and after each reading, ascending. */
  readonly #instants = new Float64Array(2 * SAMPLES);
  /** Sectors traced later than each instant. */
  readonly #later = new Float64Array(2 * SAMPLES);

  constructor(now: () => number, count: () => number) {
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      this.#instants[2 * sample] = now();
      this.#counted[sample] = count();
      this.#instants[2 * sample + 1] = now();
    }
    this.first = this.#instants[0]!;
    this.last = this.#counted[SAMPLES - 1]!;
  }

  late(time: number, sectors: number): void {
    for (let instant = 0; instant < 2 * SAMPLES && time > this.#instants[instant]!; instant += 1) this.#later[instant]! += sectors;
  }

  lower(traced: number): number {
    return Math.max(...this.#counted.map((counted, sample) => counted - (traced - this.#later[2 * sample + 1]!)));
  }

  upper(traced: number): number {
    return Math.max(...this.#counted.map((counted, sample) => counted - (traced - this.#later[2 * sample]!)));
  }

  quiet(): number {
    return this.#counted.filter((_, sample) => this.#later[2 * sample] === this.#later[2 * sample + 1]).length;
  }
}

/** Reads the count some times, now. */
export const takeReadings = (now: () => number, count: () => number): Readings => new SomeReadings(now, count);
