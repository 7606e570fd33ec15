import { toBinary } from '@bufbuild/protobuf';
import type { HoldfastError } from '@holdfast/errors';
import { type Cut, type CutBegin, CutSchema, idText } from '@holdfast/protocol';
import { type AssembledCut, assembleCuts, cutIdOf } from './assemble.ts';
import type { JournalDirectory } from './files.ts';
import type { Journal, JournaledCut, RecoveredMachine } from './journal.ts';
import type { JournalKey } from './journal-key.ts';
import { createJournalLog } from './journal-log.ts';
import { createPacker } from './pack-bytes.ts';
import { NO_SUMS, RECORD_TYPE } from './record.ts';
import { findRecords } from './recover.ts';
import { createSegments, type Segment, usableBytes } from './segments.ts';
import { createSettledMarks } from './settled-marks.ts';
import { type CutHost, StoredCut } from './stored-cut.ts';
import { type Held, WholeCut } from './whole-cut.ts';

/** Part of a cut's room that is not frames: at worst they come one by one. */
const HEADERS = 0.05;
/** What the commit of a cut without frames is about, but for its ids. */
const NO_FRAMES = { type: RECORD_TYPE.commit, epochIndex: 0, firstFrame: 0, frames: 0, sums: NO_SUMS } as const;

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

  // A kill while a file was made left a part of it; others are of the time before the setting was changed.
  const misfits = found.free.filter(({ size }) => size !== segmentBytes);
  for (const file of misfits) {
    await file.close();
    await directory.remove(file.name);
  }

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
    free: found.free.filter((file) => !misfits.includes(file)),
    onChange: changed,
  });
  segments.prepare();
  await segments.settled();
  const log = createJournalLog(segments, found.end, found.last, commitGap);

  /** The live cuts of each segment in use. */
  const live = new Map<Segment, Set<Held>>();
  const marks = createSettledMarks(log, assembled.settled, (segment) => {
    if (!live.has(segment)) live.set(segment, new Set());
  });
  const retiring = new Map<Segment, Promise<void>>();
  let kept = 0;

  const retire = async (segment: Segment): Promise<void> => {
    // With no free file at all the marks come later: it is this segment that makes room.
    if (!marks.leave(segment)) {
      await segments.settled();
      marks.leave(segment);
    }
    // The marks must be on the disk before the records they speak of can come back.
    await log.sync();
    live.delete(segment);
    await segments.release(segment);
  };

  const sweep = (): void => {
    marks.writeLeft();
    for (const [segment, cuts] of live) {
      if (cuts.size > 0 || segment === log.current || retiring.has(segment)) continue;
      const work = retire(segment)
        .catch(log.fail)
        .finally(() => retiring.delete(segment));
      retiring.set(segment, work);
    }
  };

  /** Settled in this moment, as the cuts of one object are: they are told together. */
  let settled: Held[] = [];
  let telling: NodeJS.Immediate | undefined;
  const tellSettled = (): void => {
    clearImmediate(telling);
    telling = undefined;
    if (settled.length === 0) return;
    const cuts = settled;
    settled = [];
    for (const cut of cuts) for (const segment of cut.segments) live.get(segment)?.delete(cut);
    marks.write(cuts);
    sweep();
  };

  const hold = (cut: Held, segment: Segment): void => {
    const cuts = live.get(segment);
    if (cuts !== undefined) {
      cuts.add(cut);
      return;
    }
    live.set(segment, new Set([cut]));
    // A new segment: the one before is no longer written and may be empty of cuts.
    sweep();
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
    write(cut, subject, body) {
      // A cut that was settled may come again: what is said of it then stands behind its mark.
      tellSettled();
      const result = log.append(subject, body);
      marks.comesAgain(cut);
      hold(cut, result.place.segment);
      return result;
    },
    settle(cut) {
      settled.push(cut);
      telling ??= setImmediate(tellSettled);
    },
  };

  const pack = createPacker();

  /** A cut without frames that its commit tells whole. */
  const restoreWhole = ({ machineId, cutId, records, commit }: AssembledCut): JournaledCut | undefined => {
    const [record, ...more] = records;
    if (record?.header.type !== RECORD_TYPE.commit || more.length > 0) return undefined;
    const { segment, length } = record;
    const cut = new WholeCut({ machineId, cutId }, { segment, bytes: length, encoded: pack(toBinary(CutSchema, commit!)) }, host.settle);
    hold(cut, segment);
    return cut;
  };

  const restore = ({ machineId, cutId, begin, records, chunks }: AssembledCut): StoredCut => {
    const stored = chunks.map((list) =>
      list.map(({ segment, offset, length, header }) => ({ place: { segment, offset, length }, subject: header, memory: undefined })),
    );
    const cut = new StoredCut(host, machineId, cutId, begin, stored);
    for (const { segment } of records) {
      cut.segments.add(segment);
      hold(cut, segment);
    }
    return cut;
  };

  for (const segment of found.used) live.set(segment, new Set());
  const recovered = new Map<string, RecoveredMachine>();
  for (const [machineId, { cuts, partial }] of assembled.machines) {
    recovered.set(machineId, {
      cuts: cuts.map((cut) => restoreWhole(cut) ?? restore(cut).journaled(cut.commit!)),
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
        room: log.room,
      };
    },
    failure: log.failure,
    begin(machineId: string, begin: CutBegin) {
      return new StoredCut(host, machineId, cutIdOf(begin), begin);
    },
    async commit(machineId: string, cut: Cut) {
      const cutId = idText(cut.id);
      const encoded = toBinary(CutSchema, cut);
      tellSettled();
      const { place } = log.append({ ...NO_FRAMES, machineId, cutId }, encoded);
      marks.comesAgain({ machineId, cutId });
      const whole = new WholeCut(
        { machineId, cutId },
        { segment: place.segment, bytes: place.length, encoded: pack(encoded) },
        host.settle,
      );
      hold(whole, place.segment);
      await log.sync();
      return whole;
    },
    onRoom: (listener) => void listeners.add(listener),
    async close() {
      tellSettled();
      await log.settled();
      await log.sync().catch(() => undefined);
      await Promise.all(retiring.values());
      await segments.close();
    },
  };
};
