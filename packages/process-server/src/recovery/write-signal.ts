import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { UnusualWritingSchema } from '@holdfast/protocol';
import {
  type MachineHistory,
  overwrittenShare,
  type PointChange,
  pointChanges,
  SUSPICIOUS_SHARE,
  type UnusualWriting,
  unusualWriting,
} from '@holdfast/vault';

type WritingMessage = Exclude<MessageInitShape<typeof UnusualWritingSchema>, { readonly $typeName: string }>;

/** Indexes are read for the newest only. */
const NEWEST = 3;
const PATIENCE = 5000;

/** A time of unusual writing, with what may be looked up in it. */
export interface Writing {
  readonly writing: UnusualWriting;
  readonly message: WritingMessage;
}

/** Looks for times in which machines wrote as they never did before. */
export interface SignalReader {
  /** Newest first. */
  of(history: MachineHistory): Promise<readonly Writing[]>;
}

export interface SignalReaderOptions {
  /** `@holdfast/vault` but for specs. */
  readonly shareOf?: typeof overwrittenShare;
  /** Milliseconds that points wait for shares; what takes longer is told with them the next time. */
  readonly patience?: number;
}

export const createSignalReader = ({ shareOf = overwrittenShare, patience = PATIENCE }: SignalReaderOptions = {}): SignalReader => {
  /** Of the newest times of each machine: a share is found by reading indexes, and does not change while the time is the same. */
  const shares = new Map<string, Map<string, number>>();
  /** Machines whose indexes are being read. */
  const working = new Map<string, Promise<void>>();

  const learn = async (history: MachineHistory, newest: readonly UnusualWriting[], known: Map<string, number>): Promise<void> => {
    for (const { before, last } of newest) {
      const place = placeOf(before, last);
      if (before === undefined || known.has(place)) continue;
      // Points are told whatever is damaged in the vault; it is tried again with the next question.
      const share = await shareOf(history, before.point, last.point).catch(() => undefined);
      if (share !== undefined) known.set(place, share);
    }
  };

  return {
    async of(history) {
      const { id } = history.machine;
      const newest = unusualWriting(pointChanges(history)).slice(-NEWEST).reverse();
      const known = shares.get(id) ?? new Map<string, number>();
      shares.set(id, known);
      const places = new Set(newest.map(({ before, last }) => placeOf(before, last)));
      for (const place of known.keys()) if (!places.has(place)) known.delete(place);
      const work = working.get(id) ?? learn(history, newest, known).finally(() => working.delete(id));
      working.set(id, work);
      await Promise.race([work, sleep(patience, undefined, { ref: false })]);
      return newest.map((writing) => {
        const { first, last, before, dataBytes, incompressibleBytes, usualBytes } = writing;
        const share = known.get(placeOf(before, last)) ?? -1;
        return {
          writing,
          message: {
            fromUnixMillis: BigInt(first.point.time),
            toUnixMillis: BigInt(last.point.time),
            pointBefore: before?.point.id ?? '',
            beforeUnixMillis: BigInt(before?.point.time ?? 0),
            dataBytes: BigInt(dataBytes),
            incompressibleBytes: BigInt(incompressibleBytes),
            usualBytes: BigInt(Math.round(usualBytes)),
            overwrittenShare: share,
            suspicious: share >= SUSPICIOUS_SHARE,
          },
        };
      });
    },
  };
};

const placeOf = (before: PointChange | undefined, last: PointChange): string => `${before?.point.id}/${last.point.id}`;

/** What the signal says of one point. */
export const signalOf = (
  writings: readonly Writing[],
  { id, time }: { readonly id: string; readonly time: number },
): { readonly unusual: boolean; readonly suspicious: boolean; readonly lastBeforeUnusual: boolean } => {
  const within = writings.filter(({ writing: { first, last } }) => time >= first.point.time && time <= last.point.time);
  return {
    unusual: within.length > 0,
    suspicious: within.some(({ message }) => message.suspicious === true),
    lastBeforeUnusual: writings.some(({ writing }) => writing.before?.point.id === id),
  };
};
