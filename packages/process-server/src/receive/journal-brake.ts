import type { HoldfastError } from '@holdfast/errors';
import type { Journal } from '../journal/journal.ts';
import { journalFull } from '../journal/journal-log.ts';
import type { Pace } from './create-receiver.ts';

/** Slows agents down while the journal fills, and stops them when it is full. */
export interface JournalBrake {
  /** Bytes that may be granted in all. */
  room(): number;
  pace(): Pace | undefined;
  /** Why no stream is taken now. */
  refusal(): HoldfastError | undefined;
  /** To be called about once a second; true when all streams are to be ended now. */
  tick(streams: number, durableBytes: number): boolean;
}

/** Parts of the room there is: from the first on agents are slowed down, from the second down they go on after a stop. */
const SLOW = 0.8;
const GO_ON = 0.9;
/** Bytes a second that are always allowed. */
const SLOWEST = 64 * 1024;
/** Room kept for what is no credit: beginnings and ends of cuts. */
const RESERVE = 4 * 1024 * 1024;
/** Weight of the newest second in the speed of the vaults. */
const WEIGHT = 0.2;

export interface JournalBrakeOptions {
  /** Bytes without which nothing can be received. */
  readonly smallest: number;
  /** Whether anything is on its way into a vault; else it is not the vaults that are slow. */
  uploading(): boolean;
  /** Milliseconds without room until agents are stopped: a stopped agent asks for another server. */
  readonly patience: number;
  readonly now?: () => number;
}

export const createJournalBrake = (
  journal: Pick<Journal, 'usage'>,
  { smallest, uploading, patience, now = () => performance.now() }: JournalBrakeOptions,
): JournalBrake => {
  let speed = 0;
  let streamsNow = 1;
  let lastRoom = now();
  let stopped = false;

  const fullness = (): number => journal.usage.used / journal.usage.limit;
  const room = (): number => Math.max(0, journal.usage.room - Math.min(RESERVE, smallest));

  return {
    room,
    pace() {
      if (fullness() < SLOW || !uploading()) return undefined;
      const bytesPerSecond = Math.max(SLOWEST, Math.round(speed / streamsNow));
      return { bytesPerSecond, reason: 'the journal of the process server fills faster than the vault takes it' };
    },
    refusal: () => (stopped ? journalFull() : undefined),
    tick(streams, durableBytes) {
      speed = (1 - WEIGHT) * speed + WEIGHT * durableBytes;
      streamsNow = Math.max(1, streams);
      const time = now();
      if (room() >= smallest) lastRoom = time;
      if (stopped) {
        stopped = !(room() >= smallest && fullness() < GO_ON);
        return false;
      }
      stopped = time - lastRoom >= patience;
      return stopped;
    },
  };
};
