import { giveBack } from '@holdfast/block';
import { boundBytes, isBehind, type Position, parseHeader, RECORD_HEADER_SIZE, RECORD_TYPE, type RecordHeader } from './record.ts';
import { openBody } from './seal.ts';
import { RECORDS_AT } from './segment-header.ts';
import type { Segment } from './segments.ts';

export interface ScannedRecord {
  readonly segment: Segment;
  readonly offset: number;
  readonly header: RecordHeader;
  /** Sealed. */
  readonly body: Buffer;
}

/** Bytes of a segment that hold no whole record. */
export interface Gap {
  readonly segment: Segment;
  readonly from: number;
  /** The next whole record, or the end of the file. */
  readonly to: number;
}

export interface ScannedSegment {
  readonly records: readonly ScannedRecord[];
  readonly gaps: readonly Gap[];
  /** The farthest mark of its records. */
  readonly mark: Position;
}

/** The record at `at`, when it is there as it was written: a body opens only if all of it is, at its place, under its header. */
const recordAt = (bytes: Buffer, at: number, { salt, key }: Segment): RecordHeader | undefined => {
  const head = bytes.subarray(at, at + RECORD_HEADER_SIZE);
  const header = parseHeader(head, salt);
  if (header === undefined || at + RECORD_HEADER_SIZE + header.length > bytes.length) return undefined;
  // Only the end of a segment has no body.
  if (header.type === RECORD_TYPE.end) return header.length === 0 ? header : undefined;
  const { turn, length } = header;
  const sealed = bytes.subarray(at + RECORD_HEADER_SIZE, at + RECORD_HEADER_SIZE + length);
  const opened = openBody(key, { offset: at, turn }, boundBytes(head), sealed);
  if (opened === undefined) return undefined;
  giveBack(opened);
  return header;
};

/** What all records of a segment carry, at byte 8: the beginning of its salt. */
const signOf = ({ salt }: Segment): Buffer => salt.subarray(0, 8);

/** Where the next whole record behind `from` begins. */
const searchRecord = (bytes: Buffer, from: number, segment: Segment): number => {
  const sign = signOf(segment);
  for (let at = bytes.indexOf(sign, from + 8); at >= 0; at = bytes.indexOf(sign, at + 1))
    if (recordAt(bytes, at - 8, segment) !== undefined) return at - 8;
  return bytes.length;
};

/** Finds every whole record of a segment. `bytes` is the whole file; the bodies are views of it. */
export const scanSegment = (segment: Segment, bytes: Buffer): ScannedSegment => {
  const records: ScannedRecord[] = [];
  const gaps: Gap[] = [];
  let mark: Position = { segment: 0, offset: 0 };
  let at = RECORDS_AT;
  while (at + RECORD_HEADER_SIZE <= bytes.length) {
    const header = recordAt(bytes, at, segment);
    if (header === undefined) {
      const to = searchRecord(bytes, at, segment);
      gaps.push({ segment, from: at, to });
      at = to;
      continue;
    }
    if (isBehind(header.mark, mark)) mark = header.mark;
    if (header.type === RECORD_TYPE.end) break;
    const next = at + RECORD_HEADER_SIZE + header.length;
    records.push({ segment, offset: at, header, body: bytes.subarray(at + RECORD_HEADER_SIZE, next) });
    at = next;
  }
  return { records, gaps, mark };
};

/** Sees to it that nothing behind `from` can be taken for a record any more, whatever comes to stand before it. `bytes` is the whole file. */
export const wipeRecords = async (segment: Segment, bytes: Buffer, from: number): Promise<void> => {
  const sign = signOf(segment);
  for (let at = bytes.indexOf(sign, from); at >= 0; at = bytes.indexOf(sign, at + 1))
    await segment.file.write(at, Buffer.alloc(sign.length));
};
