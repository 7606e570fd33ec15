/** Events a member may tell at once, and how many a minute for long. */
const BURST = 64;
const A_MINUTE = 30;

/** How many of a member's events are written down: one that tells of the same thing again and again shall fill neither the disk nor a mailbox. */
export interface EventPace {
  /** The events that are told, and how many were left out before them and have not been spoken of yet. */
  take<T>(id: string, events: readonly T[]): { readonly told: readonly T[]; readonly leftOut: number };
  forget(id: string): void;
}

interface Bucket {
  room: number;
  at: number;
  leftOut: number;
}

export const createEventPace = (now: () => number = () => performance.now()): EventPace => {
  const buckets = new Map<string, Bucket>();
  return {
    take(id, events) {
      const at = now();
      const bucket = buckets.get(id) ?? { room: BURST, at, leftOut: 0 };
      buckets.set(id, bucket);
      bucket.room = Math.min(BURST, bucket.room + ((at - bucket.at) * A_MINUTE) / 60_000);
      bucket.at = at;
      const told = events.slice(0, Math.floor(bucket.room));
      bucket.room -= told.length;
      bucket.leftOut += events.length - told.length;
      // Spoken of once there is room again, so that it is told once for each time.
      if (told.length < events.length || events.length === 0 || bucket.leftOut === 0) return { told, leftOut: 0 };
      const { leftOut } = bucket;
      bucket.leftOut = 0;
      return { told, leftOut };
    },
    forget: (id) => void buckets.delete(id),
  };
};

/** What is told of events that were left out. */
export const leftOutEvent = (name: string, count: number) =>
  ({
    severity: 'warning',
    code: 'events-left-out',
    text: `${name} told of so much that ${count} of its events were left out; its own log has them`,
  }) as const;
