import { type EventColumns, MOST_KEPT } from './event-columns.ts';

/**
 * Puts events into order of time, those of the same time as they came. The events of a CPU are in order already: merging a few such runs
 * costs little more than one comparison an event for each doubling of their number.
 */
export class TimeOrder {
  // Kept from one time to the next.
  #places = new Uint32Array(0);
  #others = new Uint32Array(0);

  /** Places of the events in that order, good until the next call. */
  of({ times, count }: Pick<EventColumns, 'times' | 'count'>): Uint32Array {
    const isTooLong = this.#places.length > MOST_KEPT && count <= MOST_KEPT;
    if (this.#places.length < count || isTooLong) {
      const length = isTooLong ? count : times.length;
      this.#places = new Uint32Array(length);
      this.#others = new Uint32Array(length);
    }
    let [order, other] = [this.#places, this.#others];
    const starts: number[] = [];
    for (let at = 0; at < count; at += 1) {
      order[at] = at;
      if (at === 0 || times[at]! < times[at - 1]!) starts.push(at);
    }
    for (let runs = starts; runs.length > 1; ) {
      const merged: number[] = [];
      for (let run = 0; run < runs.length; run += 2) {
        const [first, second, end] = [runs[run]!, runs[run + 1] ?? count, runs[run + 2] ?? count];
        merge(times, order, other, first, second, end);
        merged.push(first);
      }
      [order, other] = [other, order];
      runs = merged;
    }
    return order.subarray(0, count);
  }
}

/** Merges two runs of places that follow each other: from `first`, and from `second` to `end`. */
const merge = (times: Float64Array, from: Uint32Array, to: Uint32Array, first: number, second: number, end: number): void => {
  let [left, right] = [first, second];
  for (let at = first; at < end; at += 1) {
    const takesLeft = left < second && (right >= end || times[from[left]!]! <= times[from[right]!]!);
    to[at] = takesLeft ? from[left++]! : from[right++]!;
  }
};
