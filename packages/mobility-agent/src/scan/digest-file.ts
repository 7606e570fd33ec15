import fs from 'node:fs';
import zlib from 'node:zlib';
import { BLOCK_SIZE, DIGEST_SIZE } from '@holdfast/block';
import { fromSystem, HoldfastError } from '@holdfast/errors';

/*
 * What the vault is told a disk holds: one digest for each block. Private to the agent. Little-endian.
 *
 * Two header slots of 4096 bytes, written in turn, the valid one with the epoch asked for counts:
 *   0  8 B   "HFSCANDG"              64  16 B  generation of the base    (zeroes: zeroes, ff: unknown)
 *   8  u32   CRC-32 of bytes 12 to 127    80  u64   number of the base
 *  12  u32   version, 1              88  u64   covered bytes
 *  16  16 B  disk                    96  u64   bytes of the disk
 *  32  16 B  generation             104  u8    1: open
 *  48  u64   number of the epoch    105  23 B  zero
 *  56  u64   sequence of the write
 * Then chunks of 1024 blocks: u32 CRC-32 of the rest, u32 index of the chunk, 1024 digests.
 */

/** Bytes of disk whose digests make one chunk: the unit of reading, too. */
export const CHUNK_SPAN = 4 * 1024 * 1024;
const CHUNK_DIGESTS = (CHUNK_SPAN / BLOCK_SIZE) * DIGEST_SIZE;
const CHUNK_SIZE = 8 + CHUNK_DIGESTS;
const SLOT_SIZE = 4096;
const HEADER_SIZE = 128;
const MAGIC = 'HFSCANDG';
const VERSION = 1;

/** An epoch, by generation and number. */
export interface EpochId {
  readonly generationId: string;
  readonly number: number;
}

/** What the digests of a generation's first epoch differ from: a state of the disk, zeroes, or something of which nothing is known. */
export type Base = EpochId | 'zeroes' | 'unknown';

export interface DigestHeader extends EpochId {
  readonly diskId: string;
  readonly base: Base;
  /** While the generation is open: the digests reach this far. */
  readonly covered: number;
  readonly diskSize: number;
  readonly open: boolean;
}

/** The digest of a block of zeroes and of one that could not be read; no real digest is either. */
export const ZERO_DIGEST = 0x00;
export const UNREADABLE_DIGEST = 0xff;

const encodeBase = (base: Base): { readonly id: Buffer; readonly number: number } => {
  if (base === 'zeroes') return { id: Buffer.alloc(16, 0x00), number: 0 };
  if (base === 'unknown') return { id: Buffer.alloc(16, 0xff), number: 0 };
  return { id: Buffer.from(base.generationId, 'hex'), number: base.number };
};

const decodeBase = (generationId: string, number: number): Base => {
  if (/^0+$/.test(generationId)) return 'zeroes';
  return /^f+$/.test(generationId) ? 'unknown' : { generationId, number };
};

const encodeHeader = (header: DigestHeader, sequence: number): Buffer => {
  const bytes = Buffer.alloc(HEADER_SIZE);
  const base = encodeBase(header.base);
  bytes.write(MAGIC, 0, 'latin1');
  bytes.writeUInt32LE(VERSION, 12);
  bytes.write(header.diskId, 16, 'hex');
  bytes.write(header.generationId, 32, 'hex');
  bytes.writeBigUInt64LE(BigInt(header.number), 48);
  bytes.writeBigUInt64LE(BigInt(sequence), 56);
  bytes.set(base.id, 64);
  bytes.writeBigUInt64LE(BigInt(base.number), 80);
  bytes.writeBigUInt64LE(BigInt(header.covered), 88);
  bytes.writeBigUInt64LE(BigInt(header.diskSize), 96);
  bytes.writeUInt8(header.open ? 1 : 0, 104);
  bytes.writeUInt32LE(zlib.crc32(bytes.subarray(12)), 8);
  return bytes;
};

const parseHeader = (bytes: Buffer): (DigestHeader & { readonly sequence: number }) | undefined => {
  if (bytes.toString('latin1', 0, 8) !== MAGIC || bytes.readUInt32LE(12) !== VERSION) return undefined;
  if (zlib.crc32(bytes.subarray(12, HEADER_SIZE)) !== bytes.readUInt32LE(8)) return undefined;
  const number = (at: number): number => Number(bytes.readBigUInt64LE(at));
  return {
    diskId: bytes.toString('hex', 16, 32),
    generationId: bytes.toString('hex', 32, 48),
    number: number(48),
    sequence: number(56),
    base: decodeBase(bytes.toString('hex', 64, 80), number(80)),
    covered: number(88),
    diskSize: number(96),
    open: bytes.readUInt8(104) === 1,
  };
};

/** A file of digests. All calls are synchronous: its bytes are 1/256 of those of the disk. */
export interface DigestFile {
  readonly path: string;
  /** The valid headers, newest first. */
  readonly headers: readonly DigestHeader[];
  /** The digests of a chunk; undefined where there are none or they are damaged. */
  readChunk(index: number): Buffer | undefined;
  /** Takes the digests of a chunk, fewer than a chunk's only at the end of the disk. */
  writeChunk(index: number, digests: Uint8Array): void;
  /** From now on the file says what the disk holds after that epoch. */
  writeHeader(header: DigestHeader): void;
  close(): void;
}

class DiskDigestFile implements DigestFile {
  readonly path: string;
  readonly #fd: number;
  #slots: ((DigestHeader & { readonly sequence: number }) | undefined)[];

  constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
    this.#slots = [0, 1].map((slot) => {
      const bytes = Buffer.alloc(HEADER_SIZE);
      fs.readSync(fd, bytes, 0, HEADER_SIZE, slot * SLOT_SIZE);
      return parseHeader(bytes);
    });
  }

  get headers(): readonly DigestHeader[] {
    return this.#slots.filter((slot) => slot !== undefined).sort((a, b) => b.sequence - a.sequence);
  }

  readChunk(index: number): Buffer | undefined {
    const bytes = Buffer.alloc(CHUNK_SIZE);
    const count = this.#attempt(() => fs.readSync(this.#fd, bytes, 0, CHUNK_SIZE, chunkAt(index)));
    if (count < CHUNK_SIZE || zlib.crc32(bytes.subarray(4)) !== bytes.readUInt32LE(0) || bytes.readUInt32LE(4) !== index) return undefined;
    return bytes.subarray(8);
  }

  writeChunk(index: number, digests: Uint8Array): void {
    const bytes = Buffer.alloc(CHUNK_SIZE);
    bytes.writeUInt32LE(index, 4);
    bytes.set(digests, 8);
    bytes.writeUInt32LE(zlib.crc32(bytes.subarray(4)), 0);
    this.#write(bytes, chunkAt(index));
  }

  writeHeader(header: DigestHeader): void {
    const [a, b] = this.#slots.map((slot) => slot?.sequence ?? 0) as [number, number];
    // A former attempt at the same epoch was not committed: the other slot may be the one that counts.
    const former = this.#slots.findIndex((slot) => slot?.generationId === header.generationId && slot.number === header.number);
    const older = a > b ? 1 : 0;
    const slot = former === -1 ? older : former;
    const sequence = Math.max(a, b) + 1;
    // After a restart of the machine only closed states are built on: their chunks must be there before the header speaks of them.
    if (!header.open) this.#attempt(() => fs.fdatasyncSync(this.#fd));
    this.#write(encodeHeader(header, sequence), slot * SLOT_SIZE);
    this.#slots[slot] = { ...header, sequence };
  }

  close(): void {
    fs.closeSync(this.#fd);
  }

  #write(bytes: Buffer, at: number): void {
    const written = this.#attempt(() => fs.writeSync(this.#fd, bytes, 0, bytes.length, at));
    if (written === bytes.length) return;
    throw new HoldfastError('NO_SPACE', { thing: this.path, why: 'the device is full', remedy: 'free space there' });
  }

  #attempt<T>(work: () => T): T {
    try {
      return work();
    } catch (reason) {
      throw fromSystem(reason, this.path);
    }
  }
}

const chunkAt = (index: number): number => 2 * SLOT_SIZE + index * CHUNK_SIZE;

const open = (path: string, flags: string): DigestFile => {
  try {
    return new DiskDigestFile(path, fs.openSync(path, flags, 0o600));
  } catch (reason) {
    throw fromSystem(reason, path);
  }
};

/** A new, empty file in the place of any other. */
export const createDigestFile = (path: string): DigestFile => open(path, 'w+');

/** The file, if it exists. */
export const openDigestFile = (path: string): DigestFile | undefined => (fs.existsSync(path) ? open(path, 'r+') : undefined);
