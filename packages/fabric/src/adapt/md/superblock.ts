// The superblock of md, version 1, as `struct mdp_superblock_1` of the kernel lays it out (include/uapi/linux/raid/md_p.h), little-endian.
import { HoldfastError } from '@holdfast/errors';

const SECTOR = 512;
const MAGIC = 0xa92b_4efc;
const FIXED = 256;
const MOST_DEVICES = 1920;
/** Of the superblock, with as many roles as there may be. */
export const SUPERBLOCK_BYTES = 4096;
/** Features that change nothing of where data is: a bitmap of what may differ, and its version. */
const HARMLESS = 1 | 256;

export interface MemberSuperblock {
  /** Of the array, hexadecimal. */
  readonly array: string;
  /** "host:name", as it was made. */
  readonly name: string;
  readonly level: number;
  readonly members: number;
  /** Bytes. */
  readonly size: number;
  readonly dataOffset: number;
  /** Its number among all that ever were members, and the place of each of those in the array, by that number. */
  readonly device: number;
  readonly roles: readonly number[];
  readonly events: bigint;
  /** Bits of what it does besides, that is not known here. */
  readonly features: number;
}

/** Where superblocks may be on a member of so many bytes: versions 1.1, 1.2, 1.0. */
export const superblockPlaces = (size: number): readonly number[] => [
  0,
  4096,
  Math.floor((Math.floor(size / SECTOR) - 16) / 8) * 8 * SECTOR,
];

/** The sum of all 32-bit words, the sum's own taken as zero, its carries added in. */
const checksumOf = (bytes: Buffer): number => {
  let sum = 0;
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) if (at !== 216) sum += bytes.readUInt32LE(at);
  if (at + 2 <= bytes.length) sum += bytes.readUInt16LE(at);
  return ((sum % 2 ** 32) + Math.floor(sum / 2 ** 32)) % 2 ** 32;
};

const bytesOf = (sectors: bigint): number => {
  const bytes = sectors * BigInt(SECTOR);
  if (bytes > BigInt(Number.MAX_SAFE_INTEGER))
    throw new HoldfastError('DAMAGED', {
      thing: 'superblock of md',
      why: 'it tells a size that no disk has',
      remedy: 'look at it with mdadm --examine',
    });
  return Number(bytes);
};

/** What a superblock says; undefined where there is none that is whole. Errors: DAMAGED. */
export const parseSuperblock = (bytes: Buffer, place: number): MemberSuperblock | undefined => {
  if (bytes.length < SUPERBLOCK_BYTES || bytes.readUInt32LE(0) !== MAGIC || bytes.readUInt32LE(4) !== 1) return undefined;
  const devices = bytes.readUInt32LE(220);
  if (devices > MOST_DEVICES || bytesOf(bytes.readBigUInt64LE(144)) !== place) return undefined;
  if (checksumOf(bytes.subarray(0, FIXED + 2 * devices)) !== bytes.readUInt32LE(216)) return undefined;
  return {
    array: bytes.toString('hex', 16, 32),
    name: bytes.toString('utf8', 32, 64).replace(/\0.*$/s, ''),
    level: bytes.readInt32LE(72),
    members: bytes.readUInt32LE(92),
    size: bytesOf(bytes.readBigUInt64LE(80)),
    dataOffset: bytesOf(bytes.readBigUInt64LE(128)),
    device: bytes.readUInt32LE(160),
    roles: Array.from({ length: devices }, (_, index) => bytes.readUInt16LE(FIXED + 2 * index)),
    events: bytes.readBigUInt64LE(200),
    features: bytes.readUInt32LE(8) & ~HARMLESS,
  };
};
