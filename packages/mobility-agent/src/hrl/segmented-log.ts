import { HoldfastError } from '@holdfast/errors';
import type { LogPosition } from './control-slot.ts';
import { encodeRecordHeader, RECORD_HEADER_SIZE, RECORD_TYPE, type RecordType } from './record.ts';
import { SEGMENT_HEADER_SIZE } from './segment-header.ts';
import type { SegmentPool } from './segment-pool.ts';
import type { Segment } from './tier-files.ts';

/** Bytes of the record that ends a segment; there is always room for it. */
const SEAL_SIZE = RECORD_HEADER_SIZE + 16;

/** Where a record's payload went. */
export interface RecordPlace {
  readonly segment: Segment;
  /** Byte of the record's header in the segment. */
  readonly offset: number;
  /** Bytes of payload. */
  readonly length: number;
}

/** The writing end: records one behind the other, over as many segments as it takes. */
export interface SegmentedLog {
  /** Where the next record will stand; undefined before the first `start` ever. */
  readonly position: LogPosition | undefined;
  /** Makes sure that there is a segment, in memory if memory has room again, and tells where the next cut begins. */
  start(): LogPosition;
  /** `payloadCrc`: CRC-32 of the payload, where it is known. */
  append(type: RecordType, epochIndex: number, payload: Uint8Array, payloadCrc?: number): RecordPlace;
  /** Forgets all records from `position` on; segments begun since are released. */
  rewind(position: LogPosition): void;
  /** Releases the segments before the one of `position`. */
  trim(position: LogPosition): void;
}

class PooledSegmentedLog implements SegmentedLog {
  readonly #pool: SegmentPool;
  /** In use, oldest first; the last one is being written. */
  #segments: Segment[];
  #offset: number;
  #sequence: number;

  constructor(pool: SegmentPool, segments: readonly Segment[], end: LogPosition | undefined) {
    this.#pool = pool;
    this.#segments = [...segments];
    this.#offset = end?.offset ?? 0;
    this.#sequence = end?.sequence ?? 1;
  }

  get position(): LogPosition | undefined {
    const segment = this.#segments.at(-1);
    return segment && { salt: segment.salt, number: segment.number, offset: this.#offset, sequence: this.#sequence };
  }

  append(type: RecordType, epochIndex: number, payload: Uint8Array, payloadCrc?: number): RecordPlace {
    const size = RECORD_HEADER_SIZE + payload.length;
    const current = this.#segments.at(-1);
    const fits = current !== undefined && this.#offset + size + SEAL_SIZE <= current.file.size;
    const segment = fits ? current : this.#advance(this.#takeFor(size));
    const place = { segment, offset: this.#offset, length: payload.length };
    this.#write(segment, type, epochIndex, payload, payloadCrc);
    return place;
  }

  start(): LogPosition {
    if (this.#segments.length === 0) this.#advance(this.#pool.take());
    const start = this.position!;
    const hot = this.#segments.at(-1)?.tier === 'cold' ? this.#pool.takeHot() : undefined;
    if (hot !== undefined) this.#advance(hot);
    return start;
  }

  rewind(position: LogPosition): void {
    while (this.#segments.length > 0 && this.#segments.at(-1)?.salt !== position.salt) this.#pool.release(this.#segments.pop()!);
    this.#offset = position.offset;
    this.#sequence = position.sequence;
  }

  trim(position: LogPosition): void {
    while (this.#segments.length > 0 && this.#segments[0]?.salt !== position.salt) this.#pool.release(this.#segments.shift()!);
  }

  #takeFor(size: number): Segment {
    const { segmentBytes } = this.#pool;
    if (SEGMENT_HEADER_SIZE + size + SEAL_SIZE > segmentBytes) throw tooSmall(size, segmentBytes);
    return this.#pool.take();
  }

  /** A new segment, named by the seal of the present one. */
  #advance(next: Segment): Segment {
    try {
      const current = this.#segments.at(-1);
      if (current !== undefined) this.#write(current, RECORD_TYPE.seal, 0, encodeSeal(next));
    } catch (reason) {
      this.#pool.release(next);
      throw reason;
    }
    this.#segments.push(next);
    this.#offset = SEGMENT_HEADER_SIZE;
    this.#pool.prepare();
    return next;
  }

  #write(segment: Segment, type: RecordType, epochIndex: number, payload: Uint8Array, payloadCrc?: number): void {
    const header = encodeRecordHeader({ type, epochIndex, salt: segment.salt, sequence: this.#sequence }, payload, payloadCrc);
    segment.file.write(this.#offset, header, payload);
    this.#offset += header.length + payload.length;
    this.#sequence += 1;
  }
}

const encodeSeal = ({ salt, number }: Segment): Buffer => {
  const payload = Buffer.alloc(SEAL_SIZE - RECORD_HEADER_SIZE);
  payload.write(salt, 0, 'hex');
  payload.writeBigUInt64LE(BigInt(number), 8);
  return payload;
};

const tooSmall = (record: number, segment: number): HoldfastError =>
  new HoldfastError('SETTING_INVALID', {
    thing: 'segment size of the agent log (.hrl)',
    why: `a record of ${record} bytes doesn't fit into a segment of ${segment}`,
    remedy: 'choose larger segments',
  });

/** Goes on at `end`, the last of `segments`. */
export const createSegmentedLog = (pool: SegmentPool, segments: readonly Segment[], end: LogPosition | undefined): SegmentedLog =>
  new PooledSegmentedLog(pool, segments, end);
