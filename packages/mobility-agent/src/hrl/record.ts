import zlib from 'node:zlib';

/*
 * A record: a header of 32 bytes and its payload, within one segment. Little-endian throughout.
 *
 *   0  u32  CRC-32 of bytes 4 to 31       24  u32  bytes of payload
 *   4  u32  CRC-32 of the payload         28  u8   type
 *   8  8 B  salt of the segment           29  u8   zero
 *  16  u64  sequence number in the log    30  u16  index of the epoch, for frames; else zero
 */

export const RECORD_HEADER_SIZE = 32;

/** `frame`: payload is a serialized frame. `commit`: a `Cut` message. `seal`: the segment ends; payload is salt and number of the next. */
export const RECORD_TYPE = { frame: 1, commit: 2, seal: 3 } as const;
export type RecordType = (typeof RECORD_TYPE)[keyof typeof RECORD_TYPE];

export interface RecordHeader {
  readonly type: RecordType;
  readonly epochIndex: number;
  /** Salt of its segment, 16 hexadecimal digits. */
  readonly salt: string;
  readonly sequence: number;
  /** Bytes of payload. */
  readonly length: number;
  readonly payloadCrc: number;
}

/** Epochs a cut may have; the index is 16 bits wide. */
export const EPOCH_LIMIT = 65_536;

/** `payloadCrc` where it is known: going through the payload is most of the work. */
export const encodeRecordHeader = (
  header: Omit<RecordHeader, 'payloadCrc' | 'length'>,
  payload: Uint8Array,
  payloadCrc: number = zlib.crc32(payload),
): Buffer => {
  const bytes = Buffer.alloc(RECORD_HEADER_SIZE);
  bytes.writeUInt32LE(payloadCrc, 4);
  bytes.write(header.salt, 8, 'hex');
  bytes.writeBigUInt64LE(BigInt(header.sequence), 16);
  bytes.writeUInt32LE(payload.length, 24);
  bytes.writeUInt8(header.type, 28);
  bytes.writeUInt16LE(header.epochIndex, 30);
  bytes.writeUInt32LE(zlib.crc32(bytes.subarray(4)), 0);
  return bytes;
};

/** The header, or why it is none. */
export const parseRecordHeader = (bytes: Buffer): RecordHeader | string => {
  if (zlib.crc32(bytes.subarray(4, RECORD_HEADER_SIZE)) !== bytes.readUInt32LE(0)) return 'the checksum of a record header is wrong';
  const type = bytes.readUInt8(28);
  if (type !== RECORD_TYPE.frame && type !== RECORD_TYPE.commit && type !== RECORD_TYPE.seal) return `a record is of unknown type ${type}`;
  const sequence = bytes.readBigUInt64LE(16);
  if (sequence > BigInt(Number.MAX_SAFE_INTEGER)) return 'a record has an impossible number';
  return {
    type,
    epochIndex: bytes.readUInt16LE(30),
    salt: bytes.toString('hex', 8, 16),
    sequence: Number(sequence),
    length: bytes.readUInt32LE(24),
    payloadCrc: bytes.readUInt32LE(4),
  };
};
