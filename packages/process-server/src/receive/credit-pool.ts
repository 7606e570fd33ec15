/** The share of one stream in the memory for data on its way. */
export interface CreditShare {
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
  /** Bytes a stream has at least, so that the largest frame always fits and nobody starves. */
  readonly floor: number;
  /** Bytes of one stream at most. */
  readonly most: number;
  /** Bytes that the place the data goes to can take for sure. */
  room(): number;
  readonly now?: () => number;
}

/** Milliseconds without data after which a stream counts as idle. */
const IDLE = 3000;
/** Grants smaller than this part of a share wait for more. */
const STEP = 4;

interface Stream {
  readonly grant: (bytes: number) => void;
  outstanding: number;
  inMemory: number;
  lastArrival: number;
}

/**
 * Idle streams have the floor; what is left of the budget is shared out evenly among those that send, none getting more than `most`. Credit cannot be taken
 * back, so a stream that falls idle keeps what it has until it uses it; the floors of new streams may therefore exceed the budget a little. All grants
 * together never exceed the room of the place the data goes to.
 */
export const createCreditPool = ({ budget, floor, most, room, now = () => performance.now() }: CreditPoolOptions): CreditPool => {
  const streams = new Set<Stream>();

  const sums = (): { outstanding: number; inUse: number } => {
    let outstanding = 0;
    let inUse = 0;
    for (const stream of streams) {
      outstanding += stream.outstanding;
      inUse += stream.outstanding + stream.inMemory;
    }
    return { outstanding, inUse };
  };

  const refresh = (): void => {
    const time = now();
    const busy = [...streams].filter(({ lastArrival }) => time - lastArrival < IDLE).length;
    const spare = Math.max(0, budget - streams.size * floor);
    const allowance = Math.min(most, floor + (busy === 0 ? 0 : Math.floor(spare / busy)));
    let { outstanding, inUse } = sums();
    const left = room();
    for (const stream of streams) {
      const isBusy = time - stream.lastArrival < IDLE;
      const own = stream.outstanding + stream.inMemory;
      const wanted = (isBusy ? allowance : floor) - own;
      // Up to the floor in any case; beyond it only out of the budget.
      const bytes = Math.min(Math.max(Math.min(wanted, budget - inUse), floor - own), left - outstanding);
      if (bytes <= 0 || (bytes < Math.ceil((own + bytes) / STEP) && stream.outstanding >= floor)) continue;
      stream.outstanding += bytes;
      outstanding += bytes;
      inUse += bytes;
      stream.grant(bytes);
    }
  };

  return {
    join(grant) {
      const stream: Stream = { grant, outstanding: 0, inMemory: 0, lastArrival: Number.NEGATIVE_INFINITY };
      streams.add(stream);
      refresh();
      return {
        arrived(bytes) {
          stream.outstanding -= bytes;
          stream.inMemory += bytes;
          stream.lastArrival = now();
        },
        done(bytes) {
          stream.inMemory -= bytes;
          refresh();
        },
        get outstanding() {
          return stream.outstanding;
        },
        close() {
          streams.delete(stream);
          refresh();
        },
      };
    },
    get inUse() {
      return sums().inUse;
    },
    refresh,
  };
};
