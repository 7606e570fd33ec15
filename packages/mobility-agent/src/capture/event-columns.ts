/** What an event was; the names are those of the calls of `WriteSink`. */
export const EVENT_KINDS = ['issued', 'requeued', 'completed', 'discardQueued', 'discardEnded', 'queued', 'ended'] as const;

const FIRST_SIZE = 4096;
/** Events whose memory is kept for the next ones: a program that once stood still for long shall not hold for ever what it then found. */
const MOST_KEPT = 256 * 1024;

/** Events, column by column: half a million of them come in a second, and an object for each would keep the collector busy. */
export class EventColumns {
  count = 0;
  /** Places in `EVENT_KINDS`. */
  kinds = new Uint8Array(FIRST_SIZE);
  disks = new Uint16Array(FIRST_SIZE);
  offsets = new Float64Array(FIRST_SIZE);
  lengths = new Float64Array(FIRST_SIZE);
  times = new Float64Array(FIRST_SIZE);
  /** Of a completion or an end that it was a discard, of the end of discards that they succeeded. */
  flags = new Uint8Array(FIRST_SIZE);

  push(kind: number, disk: number, offset: number, length: number, time: number, flag: boolean): void {
    const at = this.count;
    if (at === this.kinds.length) this.#resize(at * 2);
    this.kinds[at] = kind;
    this.disks[at] = disk;
    this.offsets[at] = offset;
    this.lengths[at] = length;
    this.times[at] = time;
    this.flags[at] = flag ? 1 : 0;
    this.count = at + 1;
  }

  /** Drops all events. */
  clear(): void {
    this.count = 0;
    if (this.kinds.length > MOST_KEPT) this.#resize(FIRST_SIZE);
  }

  /** Takes one event over from others. */
  take(from: EventColumns, at: number): void {
    this.push(from.kinds[at]!, from.disks[at]!, from.offsets[at]!, from.lengths[at]!, from.times[at]!, from.flags[at] === 1);
  }

  #resize(size: number): void {
    const { count } = this;
    const resized = <T extends Uint8Array | Uint16Array | Float64Array>(column: T, made: T): T => {
      made.set(column.subarray(0, count) as never);
      return made;
    };
    this.kinds = resized(this.kinds, new Uint8Array(size));
    this.disks = resized(this.disks, new Uint16Array(size));
    this.offsets = resized(this.offsets, new Float64Array(size));
    this.lengths = resized(this.lengths, new Float64Array(size));
    this.times = resized(this.times, new Float64Array(size));
    this.flags = resized(this.flags, new Uint8Array(size));
  }
}

/**
 * Places of the events in order of time, those of the same time as they came. The events of a CPU are in order already: merging a few such
 * runs costs little more than one comparison an event for each doubling of their number.
 */
export const orderByTime = ({ times, count }: Pick<EventColumns, 'times' | 'count'>): Uint32Array => {
  let order = new Uint32Array(count);
  const starts: number[] = [];
  for (let at = 0; at < count; at += 1) {
    order[at] = at;
    if (at === 0 || times[at]! < times[at - 1]!) starts.push(at);
  }
  let other = starts.length > 1 ? new Uint32Array(count) : order;
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
  return order;
};

/** Merges two runs of places that follow each other: from `first`, and from `second` to `end`. */
const merge = (times: Float64Array, from: Uint32Array, to: Uint32Array, first: number, second: number, end: number): void => {
  let [left, right] = [first, second];
  for (let at = first; at < end; at += 1) {
    const takesLeft = left < second && (right >= end || times[from[left]!]! <= times[from[right]!]!);
    to[at] = takesLeft ? from[left++]! : from[right++]!;
  }
};
