import zlib from 'node:zlib';
import type { FrameSums } from './journal.ts';

/*
 * A record: a header of 128 bytes and its body. Little-endian.
 *
 *   0  u32   CRC-32 of bytes 4 to 127             64  u8   type
 *                                                68  u32  frames: index of the epoch
 *   8  8 B   first bytes of the segment's salt    72  u64  frames: number of the first one
 *  16  u64   mark: number of a segment            80  u32  frames: how many
 *  24  u32   mark: byte in it                     84  u32  turn
 *  28  u32   bytes of the body                    88  u64  frames: bytes of data,
 *  32  16 B  machine id                           96  u64    of zeroes,
 *  48  16 B  cut id                              104  u64    unreadable,
 *                                               112  u64    and the byte of the disk behind the last
 *
 * Bytes not named are zero. The mark is a place in the journal: when the record was written, all before that place was on the disk. The turn is a random
 * number of the start that goes on in a segment, 0 for the one that took it.
 */

export const RECORD_HEADER_SIZE = 128;
/** Bytes that sealing adds to a body. */
export const TAG_SIZE = 16;

/**
 * Bodies: `begin` a CutBegin, `frames` the payload of a Frames message, `commit` a Cut, `settled` (durable, or given up) other cuts that are settled too;
 * sealed, so 16 bytes longer. `end`: no body at all, nothing that counts follows in the segment.
 */
export const RECORD_TYPE = { begin: 1, frames: 2, commit: 3, settled: 4, end: 5 } as const;
export type RecordType = (typeof RECORD_TYPE)[keyof typeof RECORD_TYPE];

/** A place in the journal; order is that of numbers, then of bytes. */
export interface Position {
  readonly segment: number;
  readonly offset: number;
}

export const isBehind = (a: Position, b: Position): boolean => a.segment > b.segment || (a.segment === b.segment && a.offset > b.offset);

/** What a record is about. */
export interface RecordSubject {
  readonly type: RecordType;
  /** 32 hexadecimal digits. */
  readonly machineId: string;
  readonly cutId: string;
  readonly epochIndex: number;
  readonly firstFrame: number;
  readonly frames: number;
  readonly sums: FrameSums;
}

export interface RecordHeader extends RecordSubject {
  readonly mark: Position;
  readonly turn: number;
  /** Bytes of the body. */
  readonly length: number;
}

export const NO_SUMS: FrameSums = { dataBytes: 0, zeroBytes: 0, unreadableBytes: 0, end: 0 };

/** Bytes of the header that sealing binds to the body: all but the checksum. */
export const boundBytes = (header: Buffer): Buffer => header.subarray(8, RECORD_HEADER_SIZE);

/** A header. That the body is as it was written is told by its seal. */
export const encodeHeader = (
  salt: Buffer,
  subject: RecordSubject,
  { mark, turn, length }: Omit<RecordHeader, keyof RecordSubject>,
): Buffer => {
  const bytes = Buffer.alloc(RECORD_HEADER_SIZE);
  salt.copy(bytes, 8, 0, 8);
  bytes.writeBigUInt64LE(BigInt(mark.segment), 16);
  bytes.writeUInt32LE(mark.offset, 24);
  bytes.writeUInt32LE(length, 28);
  bytes.write(subject.machineId, 32, 'hex');
  bytes.write(subject.cutId, 48, 'hex');
  bytes.writeUInt8(subject.type, 64);
  bytes.writeUInt32LE(subject.epochIndex, 68);
  bytes.writeBigUInt64LE(BigInt(subject.firstFrame), 72);
  bytes.writeUInt32LE(subject.frames, 80);
  bytes.writeUInt32LE(turn, 84);
  if (subject.sums !== NO_SUMS) {
    const { dataBytes, zeroBytes, unreadableBytes, end } = subject.sums;
    for (const [index, value] of [dataBytes, zeroBytes, unreadableBytes, end].entries())
      bytes.writeBigUInt64LE(BigInt(value), 88 + 8 * index);
  }
  bytes.writeUInt32LE(zlib.crc32(bytes.subarray(4)), 0);
  return bytes;
};

/** Cuts that one record settles, at most: it is to fit into what other records leave of a segment. */
export const MOST_SETTLED = 128;
const ID_SIZE = 16;

/** A cut by its machine and its id. */
export type CutName = Pick<RecordSubject, 'machineId' | 'cutId'>;

/** The body of a record that settles these besides the one in its header. */
export const encodeSettled = (others: readonly CutName[]): Buffer => {
  const bytes = Buffer.alloc(2 * ID_SIZE * others.length);
  for (const [index, { machineId, cutId }] of others.entries()) {
    bytes.write(machineId, 2 * ID_SIZE * index, 'hex');
    bytes.write(cutId, 2 * ID_SIZE * index + ID_SIZE, 'hex');
  }
  return bytes;
};

/** Undefined for what is no such body. */
export const decodeSettled = (bytes: Buffer): readonly CutName[] | undefined => {
  if (bytes.length % (2 * ID_SIZE) !== 0) return undefined;
  return Array.from({ length: bytes.length / (2 * ID_SIZE) }, (_, index) => {
    const at = 2 * ID_SIZE * index;
    return { machineId: bytes.toString('hex', at, at + ID_SIZE), cutId: bytes.toString('hex', at + ID_SIZE, at + 2 * ID_SIZE) };
  });
};

const TYPES: ReadonlySet<number> = new Set(Object.values(RECORD_TYPE));

/** The header, or undefined when there is none of this segment at that place. */
export const parseHeader = (bytes: Buffer, salt: Buffer): RecordHeader | undefined => {
  if (bytes.length < RECORD_HEADER_SIZE || bytes.compare(salt, 0, 8, 8, 16) !== 0) return undefined;
  if (zlib.crc32(bytes.subarray(4, RECORD_HEADER_SIZE)) !== bytes.readUInt32LE(0)) return undefined;
  const type = bytes.readUInt8(64);
  if (!TYPES.has(type)) return undefined;
  const big = (at: number): number => Number(bytes.readBigUInt64LE(at));
  return {
    type: type as RecordType,
    machineId: bytes.toString('hex', 32, 48),
    cutId: bytes.toString('hex', 48, 64),
    epochIndex: bytes.readUInt32LE(68),
    firstFrame: big(72),
    frames: bytes.readUInt32LE(80),
    sums: { dataBytes: big(88), zeroBytes: big(96), unreadableBytes: big(104), end: big(112) },
    mark: { segment: big(16), offset: bytes.readUInt32LE(24) },
    turn: bytes.readUInt32LE(84),
    length: bytes.readUInt32LE(28),
  };
};
