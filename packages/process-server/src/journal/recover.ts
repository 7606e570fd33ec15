import { fromBinary } from '@bufbuild/protobuf';
import type { HoldfastError } from '@holdfast/errors';
import { type Cut, type CutBegin, CutBeginSchema, CutSchema } from '@holdfast/protocol';
import type { JournalFile } from './files.ts';
import type { JournalKey } from './journal-key.ts';
import { damagedPlace, END } from './journal-log.ts';
import {
  boundBytes,
  type CutName,
  decodeSettled,
  encodeHeader,
  isBehind,
  type Position,
  RECORD_HEADER_SIZE,
  RECORD_TYPE,
  type RecordHeader,
  TAG_SIZE,
} from './record.ts';
import { type Gap, scanSegment, wipeRecords } from './scan-segment.ts';
import { openBody, segmentKey } from './seal.ts';
import { parseSegmentHeader, RECORDS_AT, SEGMENT_HEADER_SIZE } from './segment-header.ts';
import type { Segment } from './segments.ts';

/** A record without the data of frames. */
export interface FoundRecord {
  readonly segment: Segment;
  readonly offset: number;
  readonly length: number;
  readonly header: RecordHeader;
  readonly message?: { readonly begin: CutBegin } | { readonly commit: Cut } | { readonly settled: readonly CutName[] };
}

/** What the files of the journal hold. */
export interface Found {
  /** In order. */
  readonly records: readonly FoundRecord[];
  readonly used: readonly Segment[];
  readonly free: readonly JournalFile[];
  readonly damage: readonly HoldfastError[];
  /** Behind everything found. */
  readonly end: Position;
  /** The segment in which it is, where writing can go on there. */
  readonly last: Segment | undefined;
}

const placeOf = ({ segment, offset }: { readonly segment: Segment; readonly offset: number }): Position => ({
  segment: segment.number,
  offset,
});

interface Sorted {
  readonly used: Segment[];
  readonly free: JournalFile[];
  readonly damage: HoldfastError[];
}

/** Tells files in use from free ones by their headers. */
const sortFiles = async (files: readonly JournalFile[], key: JournalKey): Promise<Sorted> => {
  const sorted: Sorted = { used: [], free: [], damage: [] };
  for (const file of files) {
    const bytes = Buffer.alloc(SEGMENT_HEADER_SIZE);
    if (file.size >= RECORDS_AT) await file.read(0, bytes);
    const header = parseSegmentHeader(bytes);
    if (header === 'free') sorted.free.push(file);
    else if ('unreadable' in header || header.journalId !== key.id || header.size !== file.size) {
      const why = 'unreadable' in header ? header.unreadable : 'it belongs to another journal, or its size was changed';
      sorted.damage.push(damagedPlace(file.name, 0, why));
      sorted.free.push(file);
    } else {
      const { salt, number } = header;
      sorted.used.push({ file, number, salt, key: segmentKey(key.key, key.id, salt, number) });
    }
  }
  sorted.used.sort((a, b) => a.number - b.number);
  return sorted;
};

/** Opens what tells of cuts; the data of frames is opened when it is needed. */
const readMessage = (
  segment: Segment,
  offset: number,
  header: RecordHeader,
  bytes: Buffer,
): FoundRecord['message'] | 'unreadable' | undefined => {
  const tells = header.type === RECORD_TYPE.settled ? header.length > TAG_SIZE : header.type !== RECORD_TYPE.frames;
  if (!tells) return undefined;
  const bound = boundBytes(bytes.subarray(offset, offset + RECORD_HEADER_SIZE));
  const at = offset + RECORD_HEADER_SIZE;
  const body = openBody(segment.key, { offset, turn: header.turn }, bound, bytes.subarray(at, at + header.length));
  if (body === undefined) return 'unreadable';
  if (header.type === RECORD_TYPE.settled) {
    const settled = decodeSettled(body);
    return settled === undefined ? 'unreadable' : { settled };
  }
  try {
    return header.type === RECORD_TYPE.begin ? { begin: fromBinary(CutBeginSchema, body) } : { commit: fromBinary(CutSchema, body) };
  } catch {
    return 'unreadable';
  }
};

/** Ends a segment where its writing was torn, so that the next start does not take that for damage. */
const endAt = async ({ segment, from }: Pick<Gap, 'segment' | 'from'>): Promise<void> => {
  if (from + RECORD_HEADER_SIZE > segment.file.size) return;
  const header = encodeHeader(segment.salt, END, { mark: { segment: 0, offset: 0 }, turn: 0, length: 0 });
  await segment.file.write(from, header);
};

/**
 * Reads all files. What was on the disk for sure and cannot be read is damage and is named; what was being written when the world stopped is
 * the torn tail and goes without a word, together with all behind it. When this returns, what was found is on the disk.
 */
export const findRecords = async (files: readonly JournalFile[], key: JournalKey): Promise<Found> => {
  const { used, free, damage } = await sortFiles(files, key);
  const records: FoundRecord[] = [];
  const gaps: Gap[] = [];
  let lastBytes: Buffer = Buffer.alloc(0);
  let mark: Position = { segment: 0, offset: 0 };
  for (const segment of used) {
    const bytes = Buffer.allocUnsafeSlow(segment.file.size);
    lastBytes = bytes;
    await segment.file.read(0, bytes);
    const scanned = scanSegment(segment, bytes);
    gaps.push(...scanned.gaps);
    if (isBehind(scanned.mark, mark)) mark = scanned.mark;
    for (const { offset, header, body } of scanned.records) {
      const message = readMessage(segment, offset, header, bytes);
      if (message === 'unreadable')
        damage.push(damagedPlace(segment.file.name, offset, 'a record does not open with the key of this journal'));
      else records.push({ segment, offset, length: RECORD_HEADER_SIZE + body.length, header, ...(message && { message }) });
    }
  }
  const torn = gaps.find((gap) => !isBehind(mark, { segment: gap.segment.number, offset: gap.from }));
  for (const gap of gaps) {
    if (gap === torn) break;
    damage.push(damagedPlace(gap.segment.file.name, gap.from, `nothing up to byte ${gap.to} is a record as it was written`));
  }
  const tail: Position | undefined = torn && { segment: torn.segment.number, offset: torn.from };
  const kept = tail === undefined ? records : records.filter((record) => isBehind(tail, placeOf(record)));
  const last = used.at(-1);
  // Where anything is damaged nothing is written over.
  const goesOn = damage.length === 0 && torn !== undefined;
  for (const segment of torn === undefined ? [] : used) {
    if (segment.number < torn!.segment.number) continue;
    const from = segment === torn!.segment ? torn!.from : RECORDS_AT;
    if (goesOn && segment === last) await wipeRecords(segment, lastBytes, from);
    else await endAt({ segment, from });
  }
  for (const file of files) await file.sync();
  if (goesOn) {
    const offset = last === torn.segment ? torn.from : RECORDS_AT;
    return { records: kept, used, free, damage, end: { segment: last!.number, offset }, last };
  }
  const behind: Position = last === undefined ? mark : { segment: last.number, offset: last.file.size };
  // Marks may speak of segments that are gone since. Their numbers are not used again, or the marks would speak of others.
  const end = isBehind(mark, behind) ? { segment: mark.segment + 1, offset: 0 } : behind;
  return { records: kept, used, free, damage, end, last: undefined };
};
