import type { MessageInitShape } from '@bufbuild/protobuf';
import type { UnusualWritingSchema } from '@holdfast/protocol';
import {
  type MachineHistory,
  overwrittenShare,
  pointChanges,
  SUSPICIOUS_SHARE,
  type UnusualWriting,
  unusualWriting,
} from '@holdfast/vault';

type WritingMessage = Exclude<MessageInitShape<typeof UnusualWritingSchema>, { readonly $typeName: string }>;

/** Indexes are read for the newest only. */
const NEWEST = 3;

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

export const createSignalReader = (): SignalReader => {
  /** Of the newest times of each machine: a share is found by reading indexes, and does not change while the time is the same. */
  const shares = new Map<string, ReadonlyMap<string, number>>();
  return {
    async of(history) {
      const { id } = history.machine;
      const newest = unusualWriting(pointChanges(history)).slice(-NEWEST).reverse();
      const before = shares.get(id);
      const now = new Map<string, number>();
      const found: Writing[] = [];
      for (const writing of newest) {
        const { first, last, before: earlier, dataBytes, incompressibleBytes, usualBytes } = writing;
        const place = `${earlier?.point.id}/${last.point.id}`;
        const share = before?.get(place) ?? (earlier === undefined ? -1 : await overwrittenShare(history, earlier.point, last.point));
        now.set(place, share);
        found.push({
          writing,
          message: {
            fromUnixMillis: BigInt(first.point.time),
            toUnixMillis: BigInt(last.point.time),
            pointBefore: earlier?.point.id ?? '',
            beforeUnixMillis: BigInt(earlier?.point.time ?? 0),
            dataBytes: BigInt(dataBytes),
            incompressibleBytes: BigInt(incompressibleBytes),
            usualBytes: BigInt(Math.round(usualBytes)),
            overwrittenShare: share,
            suspicious: share >= SUSPICIOUS_SHARE,
          },
        });
      }
      shares.set(id, now);
      return found;
    },
  };
};

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
