import { createCipheriv, createDecipheriv } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { blockCount, DIGEST_SIZE } from '@holdfast/block';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { idText } from '@holdfast/protocol';
import type { EpochPosition } from '../upload/uploader.ts';

const fdatasync = promisify(fs.fdatasync);

/*
 * The digests of one disk as it is in the vault, so that they need not be read there again: a cache, private to the process server, that may be
 * removed at any time. Little-endian.
 *
 *    0  8 B   "HFDISKDG"                40  16 B  generation and
 *    8  u32   CRC-32 of bytes 12 to 95  56  u64   number of the epoch they are of
 *   12  u32   version, 1                64  16 B  generation and
 *   16  u64   bytes of the disk         80  u64   number of the epoch they were being brought to
 *   24  16 B  disk                      88  u64   1 if that was under way
 *
 * At 2048, of what is taken in towards `NEWEST`, written before each epoch is and not waited for:
 *
 *    0  u32   CRC-32 of bytes 4 to 43   20  u64   number of the last epoch
 *    4  16 B  generation and            28  16 B  id of the boot of this machine
 *
 * From byte 4096 on 16 bytes for each block: zeroes for a block of zeroes, else the digest or mark under AES-256 (one block, no chaining).
 */
const HEADER_SIZE = 96;
const BODY = 4096;
const FOLLOWED = 2048;
const FOLLOWED_SIZE = 44;
const MAGIC = 'HFDISKDG';
const VERSION = 1;

export interface DigestState {
  /** What the digests are of, */
  readonly at: EpochPosition;
  /** but for those that were brought to this epoch already. A number of `NEWEST`: any later one of the same generation. */
  readonly towards: EpochPosition | undefined;
  /** Bytes of the disk. */
  readonly size: number;
}

export const NEWEST = Number.MAX_SAFE_INTEGER;

/** Digests of one disk in a file. Reads and writes are synchronous: it has 1/256 of the bytes of the disk; what waits for the disk itself is not. */
export interface DigestFile {
  /** Undefined while nothing is known. */
  readonly state: DigestState | undefined;
  /**
   * The last epoch of which digests may have been taken in towards `NEWEST`; undefined when nobody can know: none was, or the machine went down since.
   */
  readonly followed: EpochPosition | undefined;
  /** Says so, before the first of its digests is written. */
  follow(epoch: EpochPosition): void;
  /** The digests of so many blocks. */
  read(firstBlock: number, count: number): Uint8Array;
  write(firstBlock: number, digests: Uint8Array): void;
  /** From now on, also after a power loss, this is what it holds. */
  setState(state: DigestState): Promise<void>;
  /** Forgets everything; all blocks are zeroes. */
  reset(): Promise<void>;
  close(): void;
}

const encode = (diskId: string, { at, towards, size }: DigestState): Buffer => {
  const bytes = Buffer.alloc(HEADER_SIZE);
  bytes.write(MAGIC, 0, 'latin1');
  bytes.writeUInt32LE(VERSION, 12);
  bytes.writeBigUInt64LE(BigInt(size), 16);
  bytes.write(diskId, 24, 'hex');
  bytes.write(at.generationId, 40, 'hex');
  bytes.writeBigUInt64LE(BigInt(at.number), 56);
  if (towards !== undefined) {
    bytes.write(towards.generationId, 64, 'hex');
    bytes.writeBigUInt64LE(BigInt(towards.number), 80);
    bytes.writeBigUInt64LE(1n, 88);
  }
  bytes.writeUInt32LE(zlib.crc32(bytes.subarray(12)), 8);
  return bytes;
};

const decode = (bytes: Buffer, diskId: string): DigestState | undefined => {
  if (bytes.toString('latin1', 0, 8) !== MAGIC || bytes.readUInt32LE(12) !== VERSION) return undefined;
  if (zlib.crc32(bytes.subarray(12)) !== bytes.readUInt32LE(8) || bytes.toString('hex', 24, 40) !== diskId) return undefined;
  const position = (from: number): EpochPosition => ({
    generationId: idText(bytes.subarray(from, from + 16)),
    number: Number(bytes.readBigUInt64LE(from + 16)),
  });
  return {
    at: position(40),
    towards: bytes.readBigUInt64LE(88) === 1n ? position(64) : undefined,
    size: Number(bytes.readBigUInt64LE(16)),
  };
};

class StoredDigests implements DigestFile {
  readonly #path: string;
  readonly #fd: number;
  readonly #diskId: string;
  readonly #key: Uint8Array;
  #state: DigestState | undefined;

  constructor(file: string, diskId: string, key: Uint8Array) {
    this.#path = file;
    this.#diskId = diskId;
    this.#key = key;
    this.#fd = this.#attempt(() => fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600));
    const header = Buffer.alloc(HEADER_SIZE);
    this.#attempt(() => fs.readSync(this.#fd, header, 0, HEADER_SIZE, 0));
    this.#state = decode(header, diskId);
    // What is written next is behind a header that speaks of nothing, until `setState` has waited for the disk.
    if (this.#state === undefined) this.#attempt(() => fs.ftruncateSync(this.#fd, 0));
  }

  get state(): DigestState | undefined {
    return this.#state;
  }

  get followed(): EpochPosition | undefined {
    const bytes = Buffer.alloc(FOLLOWED_SIZE);
    this.#attempt(() => fs.readSync(this.#fd, bytes, 0, FOLLOWED_SIZE, FOLLOWED));
    // What the kernel had not written to the disk when the machine went down may be missing, of this and of the digests, each by itself.
    if (zlib.crc32(bytes.subarray(4)) !== bytes.readUInt32LE(0) || bytes.toString('hex', 28, 44) !== bootId()) return undefined;
    return { generationId: idText(bytes.subarray(4, 20)), number: Number(bytes.readBigUInt64LE(20)) };
  }

  follow({ generationId, number }: EpochPosition): void {
    const bytes = Buffer.alloc(FOLLOWED_SIZE);
    bytes.write(generationId, 4, 'hex');
    bytes.writeBigUInt64LE(BigInt(number), 20);
    bytes.write(bootId(), 28, 'hex');
    bytes.writeUInt32LE(zlib.crc32(bytes.subarray(4)), 0);
    this.#attempt(() => fs.writeSync(this.#fd, bytes, 0, FOLLOWED_SIZE, FOLLOWED));
  }

  read(firstBlock: number, count: number): Uint8Array {
    const stored = Buffer.alloc(count * DIGEST_SIZE);
    this.#attempt(() => fs.readSync(this.#fd, stored, 0, stored.length, BODY + firstBlock * DIGEST_SIZE));
    return this.#crypt(stored, createDecipheriv('aes-256-ecb', this.#key, null));
  }

  write(firstBlock: number, digests: Uint8Array): void {
    const stored = this.#crypt(digests, createCipheriv('aes-256-ecb', this.#key, null));
    const count = this.#attempt(() => fs.writeSync(this.#fd, stored, 0, stored.length, BODY + firstBlock * DIGEST_SIZE));
    if (count !== stored.length) throw new HoldfastError('NO_SPACE', { thing: this.#path, why: 'the disk is full', remedy: 'free space' });
  }

  async setState(state: DigestState): Promise<void> {
    // The digests must be there before the header speaks of them, and the header before more is written.
    if (state.towards === undefined) this.#attempt(() => fs.ftruncateSync(this.#fd, BODY + blockCount(state.size) * DIGEST_SIZE));
    await this.#sync();
    this.#attempt(() => fs.writeSync(this.#fd, encode(this.#diskId, state), 0, HEADER_SIZE, 0));
    await this.#sync();
    this.#state = state;
  }

  async reset(): Promise<void> {
    this.#state = undefined;
    this.#attempt(() => fs.ftruncateSync(this.#fd, 0));
    await this.#sync();
  }

  async #sync(): Promise<void> {
    try {
      await fdatasync(this.#fd);
    } catch (reason) {
      throw fromSystem(reason, this.#path);
    }
  }

  close(): void {
    fs.closeSync(this.#fd);
  }

  /** Zeroes stay zeroes, so that the file can have holes. */
  #crypt(from: Uint8Array, cipher: ReturnType<typeof createCipheriv>): Buffer {
    cipher.setAutoPadding(false);
    const to = Buffer.concat([cipher.update(from), cipher.final()]);
    for (let at = 0; at < from.length; at += DIGEST_SIZE) if (from[at] === 0 && isZero(from, at)) to.fill(0, at, at + DIGEST_SIZE);
    return to;
  }

  #attempt<T>(work: () => T): T {
    try {
      return work();
    } catch (reason) {
      throw fromSystem(reason, this.#path);
    }
  }
}

let boot: string | undefined;
/** 32 hexadecimal digits. */
const bootId = (): string => {
  boot ??= fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim().replaceAll('-', '');
  return boot;
};

const isZero = (bytes: Uint8Array, at: number): boolean => {
  for (let byte = at; byte < at + DIGEST_SIZE; byte += 1) if (bytes[byte] !== 0) return false;
  return true;
};

/** The file of a disk in a directory, which is made. `key`: 32 bytes. */
export const openDigestFile = (directory: string, diskId: string, key: Uint8Array): DigestFile => {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  return new StoredDigests(path.join(directory, `${diskId}.digests`), diskId, key);
};
