import zlib from 'node:zlib';

/*
 * Every block the workload writes to a file says what it is: which file, which block of it, written as which step and when. A block that
 * lies where another belongs, mixes two writes or comes from a later time than it may is found by reading it alone.
 *
 *   0 'HFst'   4 u32 file   8 u32 block   12 u32 sequence   16 u64 time   24 filler   4092 CRC-32 of all before     little-endian
 */

/** Bytes of a stamped block: the unit in which Holdfast tracks changes. */
export const STAMP_SIZE = 4096;

export interface Stamp {
  readonly file: number;
  /** Index of the block in the file. */
  readonly block: number;
  /** The step of the writer that wrote it. */
  readonly sequence: number;
  /** CLOCK_MONOTONIC before the write began, nanoseconds. */
  readonly time: bigint;
}

const MAGIC = 0x74734648;
const CRC_AT = STAMP_SIZE - 4;
/** As much of a block as differs from every other; the rest repeats and compresses, as real data does. */
const NOISE = 1024;

export const writeStamp = ({ file, block, sequence, time }: Stamp, target: Buffer): void => {
  target.writeUInt32LE(MAGIC, 0);
  target.writeUInt32LE(file, 4);
  target.writeUInt32LE(block, 8);
  target.writeUInt32LE(sequence, 12);
  target.writeBigUInt64LE(time, 16);
  let state = (Math.imul(sequence, 0x9e3779b1) ^ Math.imul(block, 0x85ebca6b) ^ file) | 1;
  for (let at = 24; at < NOISE; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    target.writeInt32LE(state, at);
  }
  target.fill(`file ${file} block ${block} `, NOISE, CRC_AT);
  target.writeUInt32LE(zlib.crc32(target.subarray(0, CRC_AT)), CRC_AT);
};

/** What a block says of itself; `zero` when it was never written, `garbage` when it is not what any single write left. */
export const readStamp = (block: Buffer): Stamp | 'zero' | 'garbage' => {
  if (block.length !== STAMP_SIZE) return 'garbage';
  if (block.every((byte) => byte === 0)) return 'zero';
  if (block.readUInt32LE(0) !== MAGIC || zlib.crc32(block.subarray(0, CRC_AT)) !== block.readUInt32LE(CRC_AT)) return 'garbage';
  return { file: block.readUInt32LE(4), block: block.readUInt32LE(8), sequence: block.readUInt32LE(12), time: block.readBigUInt64LE(16) };
};
