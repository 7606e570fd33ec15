import type { WriteSink } from '../trace/write-trace.ts';

type Kind = 'issued' | 'requeued' | 'completed' | 'discard queued' | 'discard ended' | 'queued' | 'ended';

interface QueuedEvent {
  readonly kind: Kind;
  readonly disk: number;
  readonly offset: number;
  readonly length: number;
  readonly time: number;
  /** Of a completion or an end that it was a discard, of the end of discards that they succeeded. */
  readonly discarded: boolean;
}

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

class Queue implements EventQueue {
  #events: QueuedEvent[] = [];

  issued(disk: number, offset: number, length: number, time: number): void {
    this.#events.push({ kind: 'issued', disk, offset, length, time, discarded: false });
  }

  requeued(disk: number, offset: number, length: number, time: number): void {
    this.#events.push({ kind: 'requeued', disk, offset, length, time, discarded: false });
  }

  completed(disk: number, offset: number, length: number, time: number, discarded: boolean): void {
    this.#events.push({ kind: 'completed', disk, offset, length, time, discarded });
  }

  discardQueued(disk: number, offset: number, length: number, time: number): void {
    this.#events.push({ kind: 'discard queued', disk, offset, length, time, discarded: false });
  }

  discardEnded(disk: number, length: number, time: number, success: boolean): void {
    this.#events.push({ kind: 'discard ended', disk, offset: 0, length, time, discarded: success });
  }

  queued(disk: number, offset: number, length: number, time: number): void {
    this.#events.push({ kind: 'queued', disk, offset, length, time, discarded: false });
  }

  ended(disk: number, offset: number, length: number, time: number, discarded: boolean): void {
    this.#events.push({ kind: 'ended', disk, offset, length, time, discarded });
  }

  deliver(horizon: number, sink: WriteSink): void {
    // The events of a CPU are in order already: sorting a few such runs costs little more than one comparison an event.
    const events = this.#events.sort((a, b) => a.time - b.time);
    this.#events = [];
    let count = 0;
    try {
      for (const { kind, disk, offset, length, time, discarded } of events) {
        if (time > horizon) break;
        count += 1;
        if (kind === 'discard queued') sink.discardQueued?.(disk, offset, length, time);
        else if (kind === 'discard ended') sink.discardEnded?.(disk, length, time, discarded);
        else sink[kind]?.(disk, offset, length, time, discarded);
      }
    } finally {
      this.#events = events.slice(count);
    }
  }

  forget(disk: number): void {
    this.#events = this.#events.filter((event) => event.disk !== disk);
  }

  *changes(): Iterable<{ disk: number; offset: number; length: number }> {
    for (const event of this.#events) if (event.kind === 'completed' || event.kind === 'queued') yield event;
  }
}

export const createEventQueue = (): EventQueue => new Queue();
