import zlib from 'node:zlib';

/*
 * The first 64 bytes of a segment. Little-endian.
 *
 *   0  8 B   "HFHRLSEG"                   32  8 B  salt: random, new at every use of the file
 *   8  u32   CRC-32 of bytes 12 to 63     40  u64  number of the segment in the log, for people
 *  12  u32   version, 1                   48  u64  bytes of the segment
 *  16  16 B  id of the log                56  8 B  zero
 */

export const SEGMENT_HEADER_SIZE = 64;
const MAGIC = 'HFHRLSEG';
const VERSION = 1;

export interface SegmentHeader {
  readonly logId: string;
  /** 16 hexadecimal digits. */
  readonly salt: string;
  readonly number: number;
  readonly size: number;
}

export const encodeSegmentHeader = ({ logId, salt, number, size }: SegmentHeader): Buffer => {
  const bytes = Buffer.alloc(SEGMENT_HEADER_SIZE);
  bytes.write(MAGIC, 0, 'latin1');
  bytes.writeUInt32LE(VERSION, 12);
  bytes.write(logId, 16, 'hex');
  bytes.write(salt, 32, 'hex');
  bytes.writeBigUInt64LE(BigInt(number), 40);
  bytes.writeBigUInt64LE(BigInt(size), 48);
  bytes.writeUInt32LE(zlib.crc32(bytes.subarray(12)), 8);
  return bytes;
};

/** The header; undefined for a file that holds none, be it new, torn or damaged. */
export const parseSegmentHeader = (bytes: Buffer): SegmentHeader | undefined => {
  if (bytes.toString('latin1', 0, 8) !== MAGIC || bytes.readUInt32LE(12) !== VERSION) return undefined;
  if (zlib.crc32(bytes.subarray(12, SEGMENT_HEADER_SIZE)) !== bytes.readUInt32LE(8)) return undefined;
  return {
    logId: bytes.toString('hex', 16, 32),
    salt: bytes.toString('hex', 32, 40),
    number: Number(bytes.readBigUInt64LE(40)),
    size: Number(bytes.readBigUInt64LE(48)),
  };
};
