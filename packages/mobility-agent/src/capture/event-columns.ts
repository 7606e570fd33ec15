/** What an event was; the names are those of the calls of `WriteSink`. */
export const EVENT_KINDS = ['issued', 'requeued', 'completed', 'discardQueued', 'discardEnded', 'queued', 'ended'] as const;

const FIRST_SIZE = 4096;
/** Events whose memory is kept for the next ones: a program that once stood still for long shall not hold for ever what it then found. */
export const MOST_KEPT = 256 * 1024;

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
