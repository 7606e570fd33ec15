/** The share of one stream in the memory for data on its way. */
export interface CreditShare {
  /** A cut is on its way: there is something to send. */
  begin(): void;
  /** It came whole. */
  end(): void;
  /** Bytes arrived: they are in memory now. */
  arrived(bytes: number): void;
  /** Bytes left memory. */
  done(bytes: number): void;
  /** Bytes granted that did not arrive yet. */
  readonly outstanding: number;
  /** The stream is over; what it had is free again. */
  close(): void;
}

/** Shares out one amount of memory as credit over all streams. */
export interface CreditPool {
  /** `grant` is called with further bytes the stream may send; the first time before this returns when there is room. */
  join(grant: (bytes: number) => void): CreditShare;
  /** Bytes granted or in memory. */
  readonly inUse: number;
  /** Looks again whether more can be granted. */
  refresh(): void;
}

export interface CreditPoolOptions {
  /** Bytes in all. */
  readonly budget: number;
  /** Bytes of a stream that has nothing to send, so that something small need not wait. */
  readonly idle: number;
  /** Bytes of a stream when it begins to send. */
  readonly first: number;
  /** Bytes a stream has at least that has something to send and does not get along with less: the largest frame fits. */
  readonly floor: number;
  /** Bytes of one stream at most. */
  readonly most: number;
  /** Bytes that the place the data goes to can take for sure. */
  room(): number;
  readonly now?: () => number;
}

/** Milliseconds without data after which a stream that could send does not get along with what it has. */
const STUCK = 500;
/** Milliseconds between two cuts after which what was used before counts for half. */
const REST = 1000;
/** Grants smaller than this part of a share wait for more. */
const STEP = 4;

interface Stream {
  readonly grant: (bytes: number) => void;
  outstanding: number;
  inMemory: number;
  /** Milliseconds: when it began to send, or data came the last time; undefined with nothing to send. */
  active: number | undefined;
  /** Bytes it may have now: grows as it is used up. */
  window: number;
  /** Milliseconds: when it sent the last time. */
  rested: number;
  closed: boolean;
}

/**
 * What a stream may have grows with what it uses: many slow ones never hold the credit that fast ones could use, since credit cannot be taken back. The
 * budget is shared out evenly among those that send, none getting more than `most`; who has least of what it needs, and longest, comes first. The floors
 * of those that send may exceed the budget a little. All grants together never exceed the room of the place the data goes to.
 */
export const createCreditPool = (options: CreditPoolOptions): CreditPool => {
  const { budget, idle, first, floor, most, room, now = () => performance.now() } = options;
  /** Those that send. */
  const active = new Set<Stream>();
  /** Those that have less than they should, in the order they began to wait. */
  const waiting = new Set<Stream>();
  let streams = 0;
  let outstanding = 0;
  let inMemory = 0;

  /** Bytes it has in any case. */
  const leastOf = (stream: Stream, time: number): number => {
    if (stream.active === undefined) return idle;
    return time - stream.active >= STUCK ? floor : Math.min(first, floor);
  };

  const allowance = (): number => {
    const spare = Math.max(0, budget - streams * idle);
    return Math.min(most, Math.max(floor, active.size === 0 ? 0 : Math.floor(spare / active.size)));
  };

  const feed = (stream: Stream, time: number, left: number): void => {
    const own = stream.outstanding + stream.inMemory;
    const least = leastOf(stream, time);
    const wanted = (stream.active === undefined ? idle : Math.max(least, Math.min(stream.window, allowance()))) - own;
    const bytes = Math.min(Math.max(Math.min(wanted, budget - outstanding - inMemory), least - own), left - outstanding);
    if (wanted <= 0) waiting.delete(stream);
    else if (bytes < wanted) waiting.add(stream);
    if (bytes <= 0 || (bytes < Math.ceil((own + bytes) / STEP) && own >= least)) return;
    stream.outstanding += bytes;
    outstanding += bytes;
    if (bytes >= wanted) waiting.delete(stream);
    stream.grant(bytes);
  };

  /** Those that wait; first the ones that cannot send at all. */
  const feedWaiting = (): void => {
    if (waiting.size === 0) return;
    const time = now();
    const left = room();
    const isStarved = (stream: Stream): boolean => stream.outstanding + stream.inMemory < leastOf(stream, time);
    const inTurn = [...waiting];
    for (const stream of inTurn) if (isStarved(stream)) feed(stream, time, left);
    for (const stream of inTurn) if (outstanding < left) feed(stream, time, left);
  };

  return {
    join(grant) {
      const stream: Stream = { grant, outstanding: 0, inMemory: 0, active: undefined, window: first, rested: 0, closed: false };
      streams += 1;
      feed(stream, now(), room());
      return {
        begin() {
          stream.active = now();
          active.add(stream);
          // What it needed once it may not need any more.
          if (stream.active - stream.rested >= REST) stream.window = Math.max(first, stream.window / 2);
          feed(stream, stream.active, room());
        },
        end() {
          stream.active = undefined;
          stream.rested = now();
          active.delete(stream);
          waiting.delete(stream);
        },
        arrived(bytes) {
          stream.outstanding -= bytes;
          outstanding -= bytes;
          stream.inMemory += bytes;
          inMemory += bytes;
          const time = now();
          if (stream.active !== undefined) stream.active = time;
          if (stream.outstanding * 2 < stream.window) stream.window = Math.min(most, stream.window * 2);
        },
        done(bytes) {
          if (stream.closed) return;
          stream.inMemory -= bytes;
          inMemory -= bytes;
          feedWaiting();
          feed(stream, now(), room());
        },
        get outstanding() {
          return stream.outstanding;
        },
        close() {
          stream.closed = true;
          streams -= 1;
          active.delete(stream);
          waiting.delete(stream);
          outstanding -= stream.outstanding;
          inMemory -= stream.inMemory;
          stream.outstanding = 0;
          stream.inMemory = 0;
          feedWaiting();
        },
      };
    },
    get inUse() {
      return outstanding + inMemory;
    },
    refresh() {
      const time = now();
      const left = room();
      for (const stream of active) if (stream.outstanding + stream.inMemory < leastOf(stream, time)) waiting.add(stream);
      feedWaiting();
      for (const stream of active) feed(stream, time, left);
    },
  };
};
