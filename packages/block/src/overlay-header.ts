import zlib from 'node:zlib';
import { HoldfastError } from '@holdfast/errors';
import { BLOCK_SIZE, blockCount } from './geometry.ts';
import { mapLength } from './overlay-map.ts';

/*
 * The file of a kept overlay, all numbers little-endian:
 *
 *      0  header      0  8 bytes "HFOVRLAY"        16  u64 bytes of the disk       4092  u32 CRC-32 of what is before it
 *                     8  u32 version, 1            24  u16 length of the identity
 *                    12  u32 block size, 4096      26  identity, UTF-8
 *   4096  boot        0  boot id of the kernel under which the live map was last begun, 36 characters; zeroes: never
 *   8192  map         2 bits a block (overlay-map.ts), true after a power loss: changed only behind data that is durable
 *     ..  live map    the same, true after the end of a process under the same kernel: changed before a write is answered
 *     ..  data        from the next multiple of 1 MiB: block b of the disk at b * 4096
 */

const MAGIC = 'HFOVRLAY';
const VERSION = 1;
const CRC_AT = 4092;
const DATA_ALIGNMENT = 1024 * 1024;
const IDENTITY_LIMIT = 1024;

export const HEADER_SIZE = 4096;
export const BOOT_AT = 4096;
export const BOOT_SIZE = 36;

export interface OverlayLayout {
  readonly mapAt: number;
  readonly liveMapAt: number;
  readonly dataAt: number;
  /** Bytes of the whole file. */
  readonly size: number;
}

/** Where things lie in the file of an overlay of a disk of `diskSize` bytes. */
export const overlayLayout = (diskSize: number): OverlayLayout => {
  const mapAt = BOOT_AT + 4096;
  const liveMapAt = mapAt + mapLength(blockCount(diskSize));
  const dataAt = Math.ceil((liveMapAt + mapLength(blockCount(diskSize))) / DATA_ALIGNMENT) * DATA_ALIGNMENT;
  return { mapAt, liveMapAt, dataAt, size: dataAt + diskSize };
};

export interface OverlayHeader {
  readonly diskSize: number;
  /** Names the layer below. */
  readonly identity: string;
}

export const encodeOverlayHeader = ({ diskSize, identity }: OverlayHeader): Buffer => {
  const name = Buffer.from(identity);
  if (name.length > IDENTITY_LIMIT) {
    throw new HoldfastError('SETTING_INVALID', {
      thing: 'identity of an overlay',
      why: `it is longer than ${IDENTITY_LIMIT} bytes`,
      remedy: 'use a shorter one',
    });
  }
  const header = Buffer.alloc(HEADER_SIZE);
  header.write(MAGIC, 0, 'latin1');
  header.writeUInt32LE(VERSION, 8);
  header.writeUInt32LE(BLOCK_SIZE, 12);
  header.writeBigUInt64LE(BigInt(diskSize), 16);
  header.writeUInt16LE(name.length, 24);
  name.copy(header, 26);
  header.writeUInt32LE(zlib.crc32(header.subarray(0, CRC_AT)), CRC_AT);
  return header;
};

/** Error: DAMAGED for anything that isn't the header of an overlay of this version. */
export const decodeOverlayHeader = (path: string, header: Buffer): OverlayHeader => {
  const refuse = (why: string): never => {
    throw new HoldfastError('DAMAGED', { thing: path, why, remedy: 'name an overlay made by this version of Holdfast, or a new file' });
  };
  if (header.length !== HEADER_SIZE || header.toString('latin1', 0, 8) !== MAGIC) return refuse('it is not an overlay');
  if (header.readUInt32LE(CRC_AT) !== zlib.crc32(header.subarray(0, CRC_AT))) return refuse('the checksum of its header is wrong');
  if (header.readUInt32LE(8) !== VERSION || header.readUInt32LE(12) !== BLOCK_SIZE) return refuse('its version is unknown');
  const length = header.readUInt16LE(24);
  if (length > IDENTITY_LIMIT) return refuse('the identity in its header is too long');
  return { diskSize: Number(header.readBigUInt64LE(16)), identity: header.toString('utf8', 26, 26 + length) };
};
