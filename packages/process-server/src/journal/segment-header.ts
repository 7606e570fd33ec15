import zlib from 'node:zlib';

/*
 * The first bytes of a segment; records begin at 4096. Little-endian.
 *
 *   0  8 B   "HFJOURNL"                   32  32 B  salt: random, new at every use of the file
 *   8  u32   version, 1                   64  u64   number of the segment
 *  12  u32   CRC-32 of bytes 16 to 127    72  u64   bytes of the segment
 *  16  16 B  id of the journal            80  48 B  zero
 */

export const SEGMENT_HEADER_SIZE = 128;
/** Where records begin. The header has a page of its own, so that no write of a record ever touches it. */
export const RECORDS_AT = 4096;

const MAGIC = 'HFJOURNL';
const VERSION = 1;

export interface SegmentHeader {
  /** 32 hexadecimal digits. */
  readonly journalId: string;
  readonly salt: Buffer;
  readonly number: number;
  readonly size: number;
}

export const encodeSegmentHeader = ({ journalId, salt, number, size }: SegmentHeader): Buffer => {
  const bytes = Buffer.alloc(SEGMENT_HEADER_SIZE);
  bytes.write(MAGIC, 0, 'latin1');
  bytes.writeUInt32LE(VERSION, 8);
  bytes.write(journalId, 16, 'hex');
  salt.copy(bytes, 32);
  bytes.writeBigUInt64LE(BigInt(number), 64);
  bytes.writeBigUInt64LE(BigInt(size), 72);
  bytes.writeUInt32LE(zlib.crc32(bytes.subarray(16)), 12);
  return bytes;
};

/** What a file is: in use, free (it begins with zeroes), or, in words, why neither can be said. */
export const parseSegmentHeader = (bytes: Buffer): SegmentHeader | 'free' | { readonly unreadable: string } => {
  if (bytes.every((byte) => byte === 0)) return 'free';
  if (bytes.toString('latin1', 0, 8) !== MAGIC) return { unreadable: 'it does not begin as a segment does' };
  if (bytes.readUInt32LE(8) !== VERSION) return { unreadable: `it is of version ${bytes.readUInt32LE(8)}` };
  if (zlib.crc32(bytes.subarray(16)) !== bytes.readUInt32LE(12)) return { unreadable: "its header's checksum is wrong" };
  const number = bytes.readBigUInt64LE(64);
  if (number > BigInt(Number.MAX_SAFE_INTEGER)) return { unreadable: 'its number is impossible' };
  return {
    journalId: bytes.toString('hex', 16, 32),
    salt: Buffer.from(bytes.subarray(32, 64)),
    number: Number(number),
    size: Number(bytes.readBigUInt64LE(72)),
  };
};
