import { randomInt } from 'node:crypto';
import { giveBack } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import { createGroupCommit } from './group-commit.ts';
import {
  boundBytes,
  encodeHeader,
  isBehind,
  NO_SUMS,
  type Position,
  parseHeader,
  RECORD_HEADER_SIZE,
  RECORD_TYPE,
  type RecordSubject,
  TAG_SIZE,
} from './record.ts';
import { openBody, sealBody } from './seal.ts';
import { RECORDS_AT } from './segment-header.ts';
import type { Segment, Segments } from './segments.ts';

/** Where a record is. */
export interface Place {
  readonly segment: Segment;
  readonly offset: number;
  /** Bytes of header and sealed body. */
  readonly length: number;
}

/** Records one behind the other over as many segments as it takes. */
export interface JournalLog {
  /** Takes a place at once; `written` resolves when the record is in its file. Throws JOURNAL_FULL. */
  append(subject: RecordSubject, body: Uint8Array): { readonly place: Place; readonly written: Promise<void> };
  /** Resolves when everything appended before this call is on the disk. */
  sync(): Promise<void>;
  /** Bytes appended and not on the disk yet. */
  readonly unsynced: number;
  /** Reads a record back. DAMAGED when it is not what was written. */
  read(place: Place, subject: RecordSubject): Promise<Buffer>;
  /** The segment being written, which must not be released. */
  readonly current: Segment | undefined;
  /** Bytes of records that fit for sure without a new file. */
  readonly room: number;
  readonly failure: Promise<never>;
  /** The disk under the journal failed: nothing is written any more. */
  fail(reason: unknown): void;
  /** Waits for what is under way. */
  settled(): Promise<void>;
}

export const journalFull = (): HoldfastError =>
  new HoldfastError('JOURNAL_FULL', {
    thing: "the process server's journal",
    why: 'its quota or its disk is full of cuts that are not in their vaults yet',
    remedy: 'look why the vaults do not take them, or raise journal.quota; agents go on by themselves once there is room',
  });

export const damagedPlace = (file: string, from: number, why: string): HoldfastError =>
  new HoldfastError('DAMAGED', {
    thing: `journal file ${file}, byte ${from}`,
    why,
    remedy: 'check the disk under the journal; nothing of it is used, the agents send it again',
  });

/** Records that go to the disk in one write, at most, by bytes and by number of buffers. */
const GATHERED = 256 * 1024;
const PARTS = 512;

/** Records that stand one behind the other and were not written yet. */
interface Gathered {
  readonly segment: Segment;
  readonly at: number;
  readonly parts: Uint8Array[];
  bytes: number;
  readonly written: PromiseWithResolvers<void>;
}

/**
 * `start`: all before it is on the disk. `last`: the segment in which that is, to go on there. `commitGap`: least milliseconds from one sync to the next;
 * so long, too, small records wait for others to be written with.
 */
export const createJournalLog = (segments: Segments, start: Position, last?: Segment, commitGap = 0): JournalLog => {
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);
  let failed: { readonly reason: unknown } | undefined;
  let current = last;
  let offset = last === undefined ? 0 : start.offset;
  /** What an earlier turn wrote at a place may have been seen, though it is not there any more: no nonce comes twice. */
  let turn = last === undefined ? 0 : randomInt(1, 2 ** 32);
  /** All before it is on the disk. */
  let mark = start;
  let unsynced = 0;
  const writes = new Set<Promise<void>>();
  const dirty = new Set<Segment>();

  // After a failed write or sync the kernel may have dropped pages it will never mention again: only reading everything anew tells.
  const fail = (reason: unknown): void => {
    failed ??= { reason };
    failure.reject(reason);
  };

  const track = (segment: Segment, write: Promise<void>): Promise<void> => {
    dirty.add(segment);
    writes.add(write);
    write.catch(fail).finally(() => writes.delete(write));
    return write;
  };

  const position = (): Position => (current === undefined ? mark : { segment: current.number, offset });

  let gathered: Gathered | undefined;
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (gathered === undefined) return;
    const { segment, at, parts, written } = gathered;
    gathered = undefined;
    segment.file.write(at, ...parts).then(() => {
      giveBack(...parts);
      written.resolve();
    }, written.reject);
  };

  /** Small records that come soon one after the other are one write; a sync writes what there is. */
  const write = (segment: Segment, at: number, parts: readonly Uint8Array[]): Promise<void> => {
    const follows = gathered !== undefined && gathered.segment === segment && gathered.at + gathered.bytes === at;
    if (!follows || gathered!.parts.length + parts.length > PARTS) flush();
    if (gathered === undefined) {
      const written = Promise.withResolvers<void>();
      gathered = { segment, at, parts: [], bytes: 0, written };
      track(segment, written.promise);
      if (commitGap === 0) setImmediate(flush);
      else timer = setTimeout(flush, commitGap);
    }
    const { written } = gathered;
    gathered.parts.push(...parts);
    gathered.bytes += parts.reduce((sum, { length }) => sum + length, 0);
    if (gathered.bytes >= GATHERED) flush();
    return written.promise;
  };

  const sync = async (): Promise<void> => {
    flush();
    const reached = position();
    const files = [...dirty];
    const bytes = unsynced;
    dirty.clear();
    try {
      await Promise.all(writes);
      await Promise.all(files.map(({ file }) => file.sync()));
    } catch (reason) {
      fail(reason);
      throw reason;
    }
    unsynced -= bytes;
    if (isBehind(reached, mark)) mark = reached;
  };
  const commits = createGroupCommit(sync, commitGap);

  const put = (segment: Segment, subject: RecordSubject, body: Uint8Array | undefined): { place: Place; written: Promise<void> } => {
    const length = body === undefined ? 0 : body.length + TAG_SIZE;
    const header = encodeHeader(segment.salt, subject, { mark, turn, length });
    const sealed = body === undefined ? [] : sealBody(segment.key, { offset, turn }, boundBytes(header), body);
    const place = { segment, offset, length: RECORD_HEADER_SIZE + length };
    offset += place.length;
    unsynced += place.length;
    return { place, written: write(segment, place.offset, [header, ...sealed]) };
  };

  const advance = (): Segment => {
    const next = segments.take();
    if (next === undefined) {
      segments.prepare();
      throw journalFull();
    }
    if (current !== undefined) put(current, END, undefined);
    current = next.segment;
    offset = RECORDS_AT;
    turn = 0;
    track(current, next.written);
    return current;
  };

  return {
    append(subject, body) {
      if (failed !== undefined) throw failed.reason;
      const size = RECORD_HEADER_SIZE + body.length + TAG_SIZE;
      const fits = current !== undefined && offset + size + RECORD_HEADER_SIZE <= current.file.size;
      return put(fits ? current! : advance(), subject, body);
    },
    sync: () => commits.wait(),
    get unsynced() {
      return unsynced;
    },
    async read({ segment, offset: at, length }, subject) {
      const bytes = Buffer.allocUnsafeSlow(length);
      await segment.file.read(at, bytes);
      const header = parseHeader(bytes, segment.salt);
      const isThat =
        header !== undefined &&
        header.type === subject.type &&
        header.cutId === subject.cutId &&
        header.machineId === subject.machineId &&
        header.epochIndex === subject.epochIndex &&
        header.firstFrame === subject.firstFrame;
      const sealed = bytes.subarray(RECORD_HEADER_SIZE);
      const body = isThat ? openBody(segment.key, { offset: at, turn: header.turn }, boundBytes(bytes), sealed) : undefined;
      if (body === undefined) throw damagedPlace(segment.file.name, at, 'it does not hold what was written there');
      return body;
    },
    get current() {
      return current;
    },
    get room() {
      const here = current === undefined ? 0 : current.file.size - offset;
      return here - (here >> 2) + segments.room;
    },
    failure: failure.promise,
    fail,
    async settled() {
      await Promise.allSettled(writes);
    },
  };
};

/** Ends a segment; not sealed, since it may come to stand where a sealed record was torn. */
export const END: RecordSubject = {
  type: RECORD_TYPE.end,
  machineId: '0'.repeat(32),
  cutId: '0'.repeat(32),
  epochIndex: 0,
  firstFrame: 0,
  frames: 0,
  sums: NO_SUMS,
};
