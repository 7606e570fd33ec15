import zlib from 'node:zlib';
import { fromBinary } from '@bufbuild/protobuf';
import { createContentDigest } from '@holdfast/block';
import { type Cut, CutSchema } from '@holdfast/protocol';
import type { LogPosition } from './control-slot.ts';
import { damaged } from './damage.ts';
import { parseRecordHeader, RECORD_HEADER_SIZE, RECORD_TYPE, type RecordHeader } from './record.ts';
import { SEGMENT_HEADER_SIZE } from './segment-header.ts';
import type { SegmentPool } from './segment-pool.ts';
import type { RecordPlace } from './segmented-log.ts';
import type { Segment } from './tier-files.ts';

/** A committed cut as it lies in the log. */
export interface LoggedCut {
  readonly cut: Cut;
  /** The frames of each epoch of the cut, in order. */
  readonly frames: readonly (readonly RecordPlace[])[];
  readonly start: LogPosition;
  /** Behind its commit record. */
  readonly end: LogPosition;
  /** Bytes of its frames and its commit record. */
  readonly bytes: number;
}

/** A cut read back; `segments` are those from its start to its end. */
export interface ReadCut extends LoggedCut {
  readonly segments: readonly Segment[];
}

interface LogRecord {
  readonly header: RecordHeader;
  readonly place: RecordPlace;
  readonly next: LogPosition;
}

/** The record at `position`. DAMAGED when none that belongs there stands there. Only its header is read. */
const readRecord = (pool: SegmentPool, position: LogPosition): LogRecord => {
  const { salt, offset, sequence } = position;
  const segment = segmentOf(pool, position);
  const { file } = segment;
  const room = file.size - offset - RECORD_HEADER_SIZE;
  if (room < 0) throw damaged(file.path, offset, 'the segment ends without a seal');
  const bytes = Buffer.alloc(RECORD_HEADER_SIZE);
  file.read(offset, bytes);
  const header = parseRecordHeader(bytes);
  if (typeof header === 'string') throw damaged(file.path, offset, header);
  if (header.salt !== salt || header.sequence !== sequence)
    throw damaged(file.path, offset, 'a record of an earlier use of the file stands there');
  if (header.length > room) throw damaged(file.path, offset, 'a record reaches behind the end of the segment');
  const place = { segment, offset, length: header.length };
  const next = { ...position, offset: offset + RECORD_HEADER_SIZE + header.length, sequence: sequence + 1 };
  return { header, place, next: header.type === RECORD_TYPE.seal ? sealedBy(place, next) : next };
};

/** The segment a position lies in. DAMAGED when no file holds it, naming the files that may have held it. */
export const segmentOf = (pool: SegmentPool, { salt, number }: LogPosition): Segment => {
  const segment = pool.find(salt);
  if (segment !== undefined) return segment;
  const suspects = pool.unreadable.join(', ');
  throw damaged(suspects === '' ? 'agent log (.hrl)' : suspects, 0, `no file is segment ${number} of the log`);
};

const sealedBy = (place: RecordPlace, { sequence }: LogPosition): LogPosition => {
  const payload = readPayload(place);
  if (payload.length !== 16) throw damaged(place.segment.file.path, place.offset, 'a seal has an impossible length');
  return { salt: payload.toString('hex', 0, 8), number: Number(payload.readBigUInt64LE(8)), offset: SEGMENT_HEADER_SIZE, sequence };
};

/** The payload of a record, checked. */
const readPayload = (place: RecordPlace): Buffer => {
  const bytes = Buffer.allocUnsafe(RECORD_HEADER_SIZE + place.length);
  place.segment.file.read(place.offset, bytes);
  return checkedPayload(place, bytes);
};

/** The same without holding up the process. */
export const readPayloadLater = async (place: RecordPlace): Promise<Buffer> => {
  const bytes = Buffer.allocUnsafe(RECORD_HEADER_SIZE + place.length);
  await place.segment.file.readLater(place.offset, bytes);
  return checkedPayload(place, bytes);
};

const checkedPayload = ({ segment, offset, length }: RecordPlace, bytes: Buffer): Buffer => {
  const header = parseRecordHeader(bytes);
  const payload = bytes.subarray(RECORD_HEADER_SIZE);
  if (typeof header === 'string') throw damaged(segment.file.path, offset, header);
  if (header.salt !== segment.salt || header.length !== length) throw damaged(segment.file.path, offset, 'another record stands there');
  if (zlib.crc32(payload) !== header.payloadCrc) throw damaged(segment.file.path, offset, 'the checksum of a record is wrong');
  return payload;
};

/** The cuts from a position on. Throws DAMAGED where no further whole cut stands: the caller knows whether one has to. */
export function* readCuts(pool: SegmentPool, from: LogPosition): Generator<ReadCut, never> {
  let position = from;
  for (;;) {
    const cut = readCut(pool, position);
    yield cut;
    position = cut.end;
  }
}

const readCut = (pool: SegmentPool, start: LogPosition): ReadCut => {
  const frames: RecordPlace[][] = [];
  const segments = [segmentOf(pool, start)];
  let bytes = 0;
  for (let position = start; ; ) {
    const { header, place, next } = readRecord(pool, position);
    position = next;
    if (header.type === RECORD_TYPE.seal) {
      segments.push(segmentOf(pool, next));
      continue;
    }
    bytes += RECORD_HEADER_SIZE + place.length;
    if (header.type === RECORD_TYPE.frame) {
      frames[header.epochIndex] ??= [];
      frames[header.epochIndex]!.push(place);
      continue;
    }
    const cut = parseCut(place);
    const counts = cut.epochs.map(({ frameCount }) => Number(frameCount));
    const complete = frames.length <= counts.length && counts.every((count, index) => count === (frames[index]?.length ?? 0));
    if (!complete) throw damaged(place.segment.file.path, place.offset, 'a cut and its frames differ in number');
    return { cut, frames: counts.map((_, index) => frames[index] ?? []), start, end: position, bytes, segments };
  }
};

const parseCut = (place: RecordPlace): Cut => {
  const payload = readPayload(place);
  try {
    return fromBinary(CutSchema, payload);
  } catch {
    throw damaged(place.segment.file.path, place.offset, 'a commit record holds no cut');
  }
};

/** Reads every frame of a cut and checks it against the digests of its epochs. */
export const verifyCut = ({ cut, frames }: LoggedCut): void => {
  for (const [index, places] of frames.entries()) {
    const digest = createContentDigest();
    for (const place of places) digest.add(readPayload(place));
    const matches = Buffer.compare(digest.value(), cut.epochs[index]!.contentDigest) === 0;
    const last = places.at(-1);
    if (!matches) throw damaged(last?.segment.file.path ?? 'agent log (.hrl)', last?.offset ?? 0, 'the frames of an epoch fail its digest');
  }
};
