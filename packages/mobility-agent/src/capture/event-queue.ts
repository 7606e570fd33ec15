import type { WriteSink } from '../trace/write-trace.ts';
import { EVENT_KINDS, EventColumns } from './event-columns.ts';
import { TimeOrder } from './time-order.ts';

/**
 * Puts the events of all CPUs into the order in which they happened. A drain reads one CPU after the other, so that a completion may be told
 * before the issue it belongs to; what happened before the drain began is complete but for late events, what happened during it is not.
 */
export interface EventQueue extends WriteSink {
  /** Hands on, in order of time, every event up to `horizon`, and keeps the others. */
  deliver(horizon: number, sink: WriteSink): void;
  /** Drops what has been told of a disk: its number may become another one's. */
  forget(disk: number): void;
  /** What has been written, or of disks without requests may have been, as told but not handed on. */
  changes(): Iterable<{ readonly disk: number; readonly offset: number; readonly length: number }>;
}

type Kind = (typeof EVENT_KINDS)[number];
const kindOf = (kind: Kind): number => EVENT_KINDS.indexOf(kind);
const ISSUED = kindOf('issued');
const REQUEUED = kindOf('requeued');
const COMPLETED = kindOf('completed');
const DISCARD_QUEUED = kindOf('discardQueued');
const DISCARD_ENDED = kindOf('discardEnded');
const QUEUED = kindOf('queued');
const ENDED = kindOf('ended');

class Queue implements EventQueue {
  #events = new EventColumns();
  /** Takes what a delivery leaves. */
  #spare = new EventColumns();
  readonly #order = new TimeOrder();

  issued(disk: number, offset: number, length: number, time: number): void {
    this.#events.push(ISSUED, disk, offset, length, time, false);
  }

  requeued(disk: number, offset: number, length: number, time: number): void {
    this.#events.push(REQUEUED, disk, offset, length, time, false);
  }

  completed(disk: number, offset: number, length: number, time: number, discarded: boolean): void {
    this.#events.push(COMPLETED, disk, offset, length, time, discarded);
  }

  discardQueued(disk: number, offset: number, length: number, time: number): void {
    this.#events.push(DISCARD_QUEUED, disk, offset, length, time, false);
  }

  discardEnded(disk: number, length: number, time: number, success: boolean): void {
    this.#events.push(DISCARD_ENDED, disk, 0, length, time, success);
  }

  queued(disk: number, offset: number, length: number, time: number, discard: boolean): void {
    this.#events.push(QUEUED, disk, offset, length, time, discard);
  }

  ended(disk: number, offset: number, length: number, time: number, discarded: boolean): void {
    this.#events.push(ENDED, disk, offset, length, time, discarded);
  }

  deliver(horizon: number, sink: WriteSink): void {
    const events = this.#events;
    if (events.count === 0) return;
    const order = this.#order.of(events);
    let count = 0;
    try {
      while (count < order.length) {
        const at = order[count]!;
        if (events.times[at]! > horizon) break;
        count += 1;
        handOn(events, at, sink);
      }
    } finally {
      const kept = this.#spare;
      for (const at of order.subarray(count)) kept.take(events, at);
      events.clear();
      this.#spare = events;
      this.#events = kept;
    }
  }

  forget(disk: number): void {
    const kept = this.#spare;
    const events = this.#events;
    for (let at = 0; at < events.count; at += 1) if (events.disks[at] !== disk) kept.take(events, at);
    events.clear();
    this.#spare = events;
    this.#events = kept;
  }

  *changes(): Iterable<{ disk: number; offset: number; length: number }> {
    const { count, kinds, disks, offsets, lengths } = this.#events;
    for (let at = 0; at < count; at += 1)
      if (kinds[at] === COMPLETED || kinds[at] === QUEUED) yield { disk: disks[at]!, offset: offsets[at]!, length: lengths[at]! };
  }
}

const handOn = ({ kinds, disks, offsets, lengths, times, flags }: EventColumns, at: number, sink: WriteSink): void => {
  const kind = kinds[at];
  const disk = disks[at]!;
  const offset = offsets[at]!;
  const length = lengths[at]!;
  const time = times[at]!;
  const flag = flags[at] === 1;
  if (kind === COMPLETED) sink.completed(disk, offset, length, time, flag);
  else if (kind === ISSUED) sink.issued(disk, offset, length, time);
  else if (kind === QUEUED) sink.queued?.(disk, offset, length, time, flag);
  else if (kind === ENDED) sink.ended?.(disk, offset, length, time, flag);
  else if (kind === REQUEUED) sink.requeued(disk, offset, length, time);
  else if (kind === DISCARD_QUEUED) sink.discardQueued?.(disk, offset, length, time);
  else sink.discardEnded?.(disk, length, time, flag);
};

export const createEventQueue = (): EventQueue => new Queue();
