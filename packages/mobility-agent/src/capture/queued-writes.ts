import { type Extent, extentEnd } from '@holdfast/block';

/** Who is told of writes to one disk as if it had requests. */
export interface WholeWrites {
  issued(offset: number, length: number, time: number): void;
  completed(offset: number, length: number, time: number, discarded: boolean): void;
}

/** What ended and fits no write that is known to be under way. */
export interface UnknownEnd extends Extent {
  readonly time: number;
}

/**
 * The writes under way to a disk that the kernel handles without requests (dm, md). Such a device may split a write: it takes off parts at
 * the front and goes on with the rest in place, so that what is told last names the last part only. But it ends where the write ends, and
 * when it is told all parts are over. Other parts are told of while the whole is under way, or not at all.
 *
 * Writes that overlap and end at the same byte cannot be told apart. Whichever is over, the shortest is taken for it, so that the last end
 * counts for them all; and the others too are taken for completed, and for issued again at that moment.
 *
 * An end that is told late may find its write taken for over by a later end, a part of another write say. It says nothing new then: its
 * bytes were in doubt for longer than they were in truth.
 */
export interface QueuedWrites {
  /** `discard`: a discard is on its way. */
  queued(offset: number, length: number, time: number, discard: boolean): void;
  ended(offset: number, length: number, time: number, discarded: boolean): void;
  /** Those under way. */
  writes(): Iterable<Extent>;
  /** When the first of them was queued; Infinity if there is none. */
  readonly oldest: number;
  /** Takes out the ends until `time`, when everything until then has been told, that fit no write. */
  takeUnknown(time: number): UnknownEnd[];
}

interface Write extends Extent {
  /** When it was queued, or taken for issued again. */
  readonly time: number;
  /** When it was queued. */
  readonly since: number;
  readonly discard: boolean;
}

interface End extends UnknownEnd {
  readonly discarded: boolean;
}

/** A write that was taken for over when an end of `over` was told. */
interface Over extends Write {
  readonly over: number;
}

class Queued implements QueuedWrites {
  readonly #target: WholeWrites;
  readonly #since: number;
  /** In the order in which they were queued, by the byte where they end. */
  readonly #byEnd = new Map<number, Write[]>();
  #unknown: End[] = [];
  /** Those taken for parts of a write under way since everything was told last. */
  #parts: End[] = [];
  /** Those since everything was told last. */
  #over: Over[] = [];

  constructor(target: WholeWrites, since: number) {
    this.#target = target;
    this.#since = since;
  }

  get oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const [first] of this.#byEnd.values()) oldest = Math.min(oldest, first!.time);
    return oldest;
  }

  *writes(): Iterable<Extent> {
    for (const writes of this.#byEnd.values()) yield* writes;
  }

  queued(offset: number, length: number, time: number, discard: boolean): void {
    const write = { offset, length, time, since: time, discard };
    const others = this.#byEnd.get(offset + length);
    if (others === undefined) this.#byEnd.set(offset + length, [write]);
    else others.push(write);
    this.#target.issued(offset, length, time);
    if (this.#unknown.length === 0) return;
    // This was told late, after what ended of it.
    const [fitting, unknown] = partition(this.#unknown, (end) => end.time >= time && isWithin(end, write));
    this.#unknown = unknown;
    for (const end of fitting) this.ended(end.offset, end.length, end.time, end.discarded);
  }

  ended(offset: number, length: number, time: number, discarded: boolean): void {
    const end = offset + length;
    const candidates = this.#byEnd.get(end) ?? [];
    const index = shortest(candidates, offset, time, discarded);
    if (index < 0) {
      if (length > 0) this.#endedWithin({ offset, length, time, discarded });
      return;
    }
    const [over] = candidates.splice(index, 1);
    if (candidates.length === 0) this.#byEnd.delete(end);
    this.#over.push({ ...over!, over: time });
    this.#target.completed(over!.offset, over!.length, time, discarded);
    this.#lookAgain(over!, time);
    for (const [at, write] of candidates.entries()) {
      if (write.offset === over!.offset || write.since > time) continue;
      this.#target.completed(write.offset, write.length, time, false);
      this.#target.issued(write.offset, write.length, time);
      candidates[at] = { ...write, time };
    }
  }

  takeUnknown(time: number): UnknownEnd[] {
    const [taken, left] = partition(this.#unknown, (end) => end.time <= time);
    this.#unknown = left;
    this.#parts = this.#parts.filter((part) => part.time > time);
    this.#over = this.#over.filter(({ over }) => over > time);
    return taken;
  }

  /** What ended after a write was over was no part of it, but of one whose beginning is told late, or was just now. */
  #lookAgain(over: Extent, time: number): void {
    const [later, parts] = partition(this.#parts, (part) => part.time > time && isWithin(part, over));
    this.#parts = parts;
    for (const part of later) this.ended(part.offset, part.length, part.time, part.discarded);
  }

  #endedWithin(part: End): void {
    // What was queued before anybody looked has been read since, or is to be.
    if (part.time <= this.#since) return;
    for (const writes of this.#byEnd.values()) {
      if (!writes.some((write) => write.since <= part.time && isWithin(part, write))) continue;
      this.#parts.push(part);
      return;
    }
    if (this.#over.some((write) => write.since <= part.time && part.time <= write.over && isWithin(part, write))) return;
    this.#unknown.push(part);
  }
}

/**
 * The shortest, then oldest, of writes with one end that begins at `offset` or before, for an end never names more than there was. None was queued
 * after `time`: an end that is told late may be older than a write that was told long ago. What was discarded was a discard: a write whose end is told
 * late must not be taken for zeroes.
 */
const shortest = (writes: readonly Write[], offset: number, time: number, discarded: boolean): number => {
  let best = -1;
  for (const [index, write] of writes.entries()) {
    if (discarded && !write.discard) continue;
    if (write.since <= time && write.offset <= offset && (best < 0 || write.offset > writes[best]!.offset)) best = index;
  }
  return best;
};

const isWithin = (part: Extent, whole: Extent): boolean => part.offset >= whole.offset && extentEnd(part) <= extentEnd(whole);

const partition = <T>(all: readonly T[], test: (one: T) => boolean): [T[], T[]] => [all.filter(test), all.filter((one) => !test(one))];

/** Ends until `since` are let pass: they may be of writes queued before anybody looked. */
export const createQueuedWrites = (target: WholeWrites, since: number): QueuedWrites => new Queued(target, since);
