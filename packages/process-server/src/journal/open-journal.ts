import type { HoldfastError } from '@holdfast/errors';
import type { CutBegin } from '@holdfast/protocol';
import { type AssembledCut, assembleCuts, cutIdOf, type SettledCut } from './assemble.ts';
import type { JournalDirectory } from './files.ts';
import type { Journal, RecoveredMachine } from './journal.ts';
import type { JournalKey } from './journal-key.ts';
import { createJournalLog } from './journal-log.ts';
import { NO_SUMS, RECORD_TYPE } from './record.ts';
import { findRecords } from './recover.ts';
import { createSegments, type Segment, usableBytes } from './segments.ts';
import { type CutHost, StoredCut } from './stored-cut.ts';

/** Part of a cut's room that is not frames: at worst they come one by one. */
const HEADERS = 0.05;

export interface JournalOptions {
  readonly directory: JournalDirectory;
  readonly key: JournalKey;
  readonly segmentBytes: number;
  readonly quota: number;
  /** Bytes of data kept in memory too, so that it need not be read back. */
  readonly memory: number;
  /** Least milliseconds from one sync to the next; 0 unless told. */
  readonly commitGap?: number;
}

/** Opens the journal, finds what is in it, and has its first files made. Rejects with what the file system says. */
export const openJournal = async ({ directory, key, segmentBytes, quota, memory, commitGap }: JournalOptions): Promise<Journal> => {
  const names = (await directory.list()).filter((name) => /^segment-\d{8}$/.test(name)).sort();
  const files = await Promise.all(names.map((name) => directory.open(name)));
  const found = await findRecords(files, key);
  const assembled = assembleCuts(found.records, found.damage.length > 0);

  const listeners = new Set<() => void>();
  const changed = (): void => {
    for (const listener of listeners) listener();
  };
  const segments = createSegments({
    directory,
    key,
    segmentBytes,
    quota,
    number: found.end.segment,
    used: found.used,
    free: found.free,
    onChange: changed,
  });
  segments.prepare();
  await segments.settled();
  const log = createJournalLog(segments, found.end, commitGap);

  /** The live cuts of each segment in use. */
  const live = new Map<Segment, Set<StoredCut>>();
  /** Those whose records may outlast the mark that settles them. */
  const settledCuts = new Set<SettledCut>(assembled.settled);
  /** Of these, those without a mark. */
  const unmarked = new Set<SettledCut>([...settledCuts].filter(({ at }) => at === undefined));
  const retiring = new Map<Segment, Promise<void>>();
  let kept = 0;

  const writeSettled = (settled: SettledCut): void => {
    const { machineId, cutId } = settled;
    try {
      const subject = { type: RECORD_TYPE.settled, machineId, cutId, epochIndex: 0, firstFrame: 0, frames: 0, sums: NO_SUMS };
      settled.at = log.append(subject, new Uint8Array(0)).place.segment;
      unmarked.delete(settled);
      if (!live.has(settled.at)) live.set(settled.at, new Set());
    } catch {
      // Full: without the mark the cut may be offered to the vault once more after a restart, which knows it then.
      settled.at = undefined;
      unmarked.add(settled);
    }
  };

  const writeMarks = (segment: Segment): boolean => {
    for (const settled of settledCuts) {
      settled.segments.delete(segment);
      if (settled.segments.size === 0) {
        settledCuts.delete(settled);
        unmarked.delete(settled);
      } else if (settled.at === segment || settled.at === undefined) writeSettled(settled);
    }
    return [...settledCuts].every(({ at }) => at !== undefined && at !== segment);
  };

  const retire = async (segment: Segment): Promise<void> => {
    // With no free file at all the marks come later: it is this segment that makes room.
    if (!writeMarks(segment)) {
      await segments.settled();
      writeMarks(segment);
    }
    // The marks must be on the disk before the records they speak of can come back.
    await log.sync();
    live.delete(segment);
    await segments.release(segment);
  };

  const sweep = (): void => {
    for (const settled of unmarked) writeSettled(settled);
    for (const [segment, cuts] of live) {
      if (cuts.size > 0 || segment === log.current || retiring.has(segment)) continue;
      const work = retire(segment)
        .catch(log.fail)
        .finally(() => retiring.delete(segment));
      retiring.set(segment, work);
    }
  };

  const host: CutHost = {
    log,
    keep(bytes) {
      if (kept + bytes > memory) return false;
      kept += bytes;
      return true;
    },
    forget(bytes) {
      kept -= bytes;
    },
    holds(cut, segment) {
      cut.segments.add(segment);
      const cuts = live.get(segment);
      if (cuts !== undefined) {
        cuts.add(cut);
        return;
      }
      live.set(segment, new Set([cut]));
      // A new segment: the one before is no longer written and may be empty of cuts.
      sweep();
    },
    settle(cut) {
      if (cut.segments.size === 0) return;
      for (const segment of cut.segments) live.get(segment)?.delete(cut);
      const settled: SettledCut = { machineId: cut.machineId, cutId: cut.cutId, segments: new Set(cut.segments), at: undefined };
      writeSettled(settled);
      // Where its mark is beside its records it goes with them: of so many that nothing has changed for, nothing is kept here.
      if (settled.at === undefined || [...settled.segments].some((segment) => segment !== settled.at)) settledCuts.add(settled);
      sweep();
    },
  };

  const restore = ({ machineId, cutId, begin, records, chunks }: AssembledCut): StoredCut => {
    const stored = chunks.map((list) =>
      list.map(({ segment, offset, length, header }) => ({ place: { segment, offset, length }, subject: header, memory: undefined })),
    );
    const cut = new StoredCut(host, machineId, cutId, begin, stored);
    for (const { segment } of records) host.holds(cut, segment);
    return cut;
  };

  for (const segment of found.used) live.set(segment, new Set());
  const recovered = new Map<string, RecoveredMachine>();
  for (const [machineId, { cuts, partial }] of assembled.machines) {
    recovered.set(machineId, {
      cuts: cuts.map((cut) => restore(cut).journaled(cut.commit!)),
      partial: partial === undefined ? undefined : restore(partial),
    });
  }
  sweep();
  await Promise.all(retiring.values());

  // One file is always on its way to be used again; headers take a part of the others.
  const capacity = Math.floor((Math.floor(quota / segmentBytes) - 1) * usableBytes(segmentBytes) * (1 - HEADERS));

  const damage: readonly HoldfastError[] = [...found.damage, ...assembled.damage];
  return {
    recovered,
    damage,
    get usage() {
      return {
        used: segments.used,
        quota,
        capacity,
        limit: segments.limit,
        room: log.current === undefined ? segments.free * usableBytes(segmentBytes) : log.room,
      };
    },
    failure: log.failure,
    begin(machineId: string, begin: CutBegin) {
      return new StoredCut(host, machineId, cutIdOf(begin), begin);
    },
    onRoom: (listener) => void listeners.add(listener),
    async close() {
      await log.settled();
      await log.sync().catch(() => undefined);
      await Promise.all(retiring.values());
      await segments.close();
    },
  };
};
