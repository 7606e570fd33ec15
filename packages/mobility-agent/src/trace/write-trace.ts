import type { BlockSet } from '@holdfast/block';

/**
 * What the kernel says about writes ("not a read": data, discards, write-zeroes) to the traced disks. Events of one CPU arrive in order of
 * time, events of different CPUs do not. `disk` is the index given by `WriteTraceSession.attach`. `offset` and `length` are bytes from the start of
 * the whole disk. Times are nanoseconds on the clock of `WriteTrace.now`.
 */
export interface WriteSink {
  /** Handed to the device; may be reported again after a requeue. */
  issued(disk: number, offset: number, length: number, time: number): void;
  /** Put back by the driver: still in flight until it completes. */
  requeued(disk: number, offset: number, length: number, time: number): void;
  /**
   * Finished, with or without an error: from now on the disk may hold its data. `discarded`: it was a discard and succeeded, so that nobody
   * can expect anything of what it covers, to the sector.
   */
  completed(disk: number, offset: number, length: number, time: number, discarded: boolean): void;
  /**
   * Of disks that take several ranges in one discard: a range on its way to the device. Such discards are not told of otherwise, for the
   * kernel's requests name only their first range.
   */
  discardQueued?(disk: number, offset: number, length: number, time: number): void;
  /** `length` bytes of queued ranges, whichever, were discarded, or it was tried. */
  discardEnded?(disk: number, length: number, time: number, success: boolean): void;
  /** Of disks that are handled without requests, and instead of the first three: a write on its way to the device, a discard maybe. */
  queued?(disk: number, offset: number, length: number, time: number, discard: boolean): void;
  /**
   * Something of a queued write ended; `discarded` as above. Such a device may split a write and take it further in place, so that its end
   * names no more than its last part: it is over when something ends where it ends. The parts before may be told of too, or not.
   */
  ended?(disk: number, offset: number, length: number, time: number, discarded: boolean): void;
}

/** Requests that were under way at one instant. */
export interface UnderWay {
  /** True once they are over; never where that cannot be seen. */
  isOver(): boolean;
  close(): void;
}

/**
 * The writes of the machine's disks as seen by the kernel's block tracepoints, from one tracefs instance of our own. Everything drained is
 * booked in shared memory before `drain` returns, so that a SIGKILL at any instruction loses nothing.
 */
export interface WriteTrace {
  /** CLOCK_MONOTONIC, in nanoseconds, at time 0 of `now`. */
  readonly start: bigint;
  /** Bytes of each processor's ring: how long it may be left alone. */
  readonly ringBytes?: number;
  /** Nanoseconds of CLOCK_MONOTONIC since `start`, so that they are exact as numbers; the clock of all event times. */
  now(): number;
  /**
   * Whether requests are told of as they are issued; they are until this is called. Each costs whoever writes half a microsecond, and only who reads has
   * to know: not told of, writes are no less in `dirty` once they are over. When this returns, whatever is issued from now on is told of, or nothing
   * is; what is under way may have been issued untold. Disks without requests are told of as ever.
   */
  tellIssues(told: boolean): void;
  /**
   * Reads every possible CPU's ring to its present end, sets the blocks of completed writes in `dirty`, then tells `sink`.
   * Throws CONTINUITY_LOST when the kernel reports lost events.
   */
  drain(sink: WriteSink): void;
  /**
   * Makes late events visible: a drain after `settle` misses no event whose time is at or before the call of `settle`. Some 30 us for each
   * processor, longer when they are busy; about 10 ms on machines that set processors apart.
   */
  settle(): void;
  /**
   * Blocks of the disk that completed writes touched and that no committed cut holds yet; lives in shared memory, survives SIGKILL. Of a disk
   * without requests also those that queued writes will touch: the end of a write does not name them all.
   */
  dirty(disk: number): BlockSet;
  /** True when no write of the disk is at the device at this instant (`/sys/block/X/inflight`); its completion may still be on its way. */
  idle(disk: number): boolean;
  /**
   * Waits for the requests to the disk that are under way now: seen, where the kernel shows it, of one that is never idle, too. When they are over, so
   * are their events; to be closed by whoever gives up waiting.
   */
  underWay(disk: number): UnderWay;
  /**
   * The independent witness: compares what the kernel counted in `/sys/block/X/stat` with the sectors traced; drains by itself. Throws
   * CONTINUITY_LOST naming the disk when writes are missing from the trace, when its I/O accounting is off, or when the device behind the
   * name is another one.
   */
  verify(sink: WriteSink): void;
  close(): void;
}
