import zlib from 'node:zlib';
import { HoldfastError } from '@holdfast/errors';
import type { DiskStateRef, HrlHead, HrlManifest } from './hrl.ts';

/*
 * The control file says which part of the log counts: two slots of 64 KiB, written in turn, so that a torn write leaves the one before.
 * A slot, little-endian:
 *
 *   0  8 B   "HFHRLCTL"                    80  32 B  tail: where the oldest cut that was not freed begins
 *   8  u32   CRC-32 of bytes 12 to N - 1  112  32 B  end: behind the newest committed cut
 *  12  u32   version, 2                   144  16 B  id of the newest point, zeroes for none
 *  16  u32   N, bytes of the slot in use  160  16 B  id of the newest manifest, zeroes for none
 *  20  u32   zero                         176  32 B  its identity
 *  24  u64   sequence number of the write 208  u16   bytes P of the path of the hot directory, 0 for none
 *  32  16 B  id of the log                210  u16   number of heads at the end
 *  48  16 B  boot id, zeroes for none     212  u16   number of heads at the tail
 *  64  16 B  id of the machine            214  u16   zero
 *                                         216  P B   path of the hot directory, UTF-8; then the heads at the end, those at the tail
 *
 *  A position: 8 B salt of the segment, u64 its number, u64 byte in it, u64 sequence number of the record there; zeroes for none.
 *  A head: 16 B disk, 16 B generation, u64 number, u64 covered through, u64 disk size, u8 flags (1 open, 2 ended), 7 B zero; the newest
 *  state of the disk: 16 B generation, zeroes for none, u64 number. Version 1 ends before the state.
 */

export const CONTROL_SLOT_SIZE = 64 * 1024;

const MAGIC = 'HFHRLCTL';
const VERSION = 2;
const FIXED_SIZE = 216;
const HEAD_SIZE = 88;
const HEAD_SIZE_1 = 64;
const PATH_LIMIT = 4096;
const NO_ID = '0'.repeat(32);
/** Disks whose heads a slot has room for. */
export const HEAD_LIMIT = Math.floor((CONTROL_SLOT_SIZE - FIXED_SIZE - PATH_LIMIT) / (2 * HEAD_SIZE));

/** A place between two records. */
export interface LogPosition {
  /** Salt of the segment, 16 hexadecimal digits. */
  readonly salt: string;
  /** Number of the segment, for people. */
  readonly number: number;
  readonly offset: number;
  /** Sequence number of the record that stands or will stand there. */
  readonly sequence: number;
}

export interface ControlState {
  /** Grows with every write; the highest valid one counts. */
  readonly sequence: number;
  readonly logId: string;
  /** Undefined where the system tells none. */
  readonly bootId: string | undefined;
  readonly machineId: string;
  readonly hotPath: string | undefined;
  readonly tail: LogPosition | undefined;
  readonly end: LogPosition | undefined;
  readonly lastPointId: string | undefined;
  readonly lastManifest: HrlManifest | undefined;
  /** Newest epochs at the end, and at the tail, that is of what was freed. */
  readonly heads: ReadonlyMap<string, HrlHead>;
  readonly freedHeads: ReadonlyMap<string, HrlHead>;
}

export const encodeControl = (state: ControlState): Buffer => {
  const path = Buffer.from(state.hotPath ?? '', 'utf8');
  if (path.length > PATH_LIMIT || state.heads.size > HEAD_LIMIT) {
    throw new HoldfastError('UNSUPPORTED_OPERATION', {
      thing: 'agent log (.hrl)',
      why: `it holds at most ${HEAD_LIMIT} disks and a path of ${PATH_LIMIT} bytes`,
      remedy: 'use a shorter path, or begin the log anew after disks were replaced',
    });
  }
  const heads = [...state.heads.values(), ...state.freedHeads.values()];
  const bytes = Buffer.alloc(FIXED_SIZE + path.length + heads.length * HEAD_SIZE);
  bytes.write(MAGIC, 0, 'latin1');
  bytes.writeUInt32LE(VERSION, 12);
  bytes.writeUInt32LE(bytes.length, 16);
  bytes.writeBigUInt64LE(BigInt(state.sequence), 24);
  bytes.write(state.logId, 32, 'hex');
  bytes.write(state.bootId ?? NO_ID, 48, 'hex');
  bytes.write(state.machineId, 64, 'hex');
  writePosition(bytes, 80, state.tail);
  writePosition(bytes, 112, state.end);
  bytes.write(state.lastPointId ?? NO_ID, 144, 'hex');
  bytes.write(state.lastManifest?.id ?? NO_ID, 160, 'hex');
  bytes.write(state.lastManifest?.identity ?? '', 176, 'hex');
  bytes.writeUInt16LE(path.length, 208);
  bytes.writeUInt16LE(state.heads.size, 210);
  bytes.writeUInt16LE(state.freedHeads.size, 212);
  bytes.set(path, FIXED_SIZE);
  for (const [index, head] of heads.entries()) writeHead(bytes, FIXED_SIZE + path.length + index * HEAD_SIZE, head);
  bytes.writeUInt32LE(zlib.crc32(bytes.subarray(12)), 8);
  return bytes;
};

/** The state in a slot; undefined for a slot that holds none, be it new, torn or damaged. UNSUPPORTED_OPERATION for a later format. */
export const parseControl = (slot: Buffer): ControlState | undefined => {
  if (slot.toString('latin1', 0, 8) !== MAGIC) return undefined;
  const used = slot.readUInt32LE(16);
  if (used < FIXED_SIZE || used > slot.length) return undefined;
  const bytes = slot.subarray(0, used);
  if (zlib.crc32(bytes.subarray(12)) !== bytes.readUInt32LE(8)) return undefined;
  const version = bytes.readUInt32LE(12);
  if (version !== VERSION && version !== 1) throw newerFormat(version);
  const headSize = version === 1 ? HEAD_SIZE_1 : HEAD_SIZE;
  const pathLength = bytes.readUInt16LE(208);
  const headsAt = FIXED_SIZE + pathLength;
  const freedHeadsAt = headsAt + bytes.readUInt16LE(210) * headSize;
  if (used !== freedHeadsAt + bytes.readUInt16LE(212) * headSize) return undefined;
  const manifestId = readId(bytes, 160);
  return {
    sequence: readNumber(bytes, 24),
    logId: bytes.toString('hex', 32, 48),
    bootId: readId(bytes, 48),
    machineId: bytes.toString('hex', 64, 80),
    hotPath: pathLength === 0 ? undefined : bytes.toString('utf8', FIXED_SIZE, headsAt),
    tail: readPosition(bytes, 80),
    end: readPosition(bytes, 112),
    lastPointId: readId(bytes, 144),
    lastManifest: manifestId === undefined ? undefined : { id: manifestId, identity: bytes.toString('hex', 176, 208) },
    heads: readHeads(bytes.subarray(headsAt, freedHeadsAt), headSize),
    freedHeads: readHeads(bytes.subarray(freedHeadsAt), headSize),
  };
};

const newerFormat = (version: number): HoldfastError =>
  new HoldfastError('UNSUPPORTED_OPERATION', {
    thing: 'agent log (.hrl)',
    why: `its format has version ${version}, this agent knows version ${VERSION}`,
    remedy: 'use the agent that wrote it, or move the log away and let the disks be resynchronized',
  });

const readNumber = (bytes: Buffer, at: number): number => Number(bytes.readBigUInt64LE(at));

const readId = (bytes: Buffer, at: number): string | undefined => {
  const id = bytes.toString('hex', at, at + 16);
  return id === NO_ID ? undefined : id;
};

const OPEN = 1;
const ENDED = 2;

const writeHead = (bytes: Buffer, at: number, head: HrlHead): void => {
  bytes.write(head.diskId, at, 'hex');
  bytes.write(head.generationId, at + 16, 'hex');
  bytes.writeBigUInt64LE(BigInt(head.number), at + 32);
  bytes.writeBigUInt64LE(BigInt(head.coveredThrough), at + 40);
  bytes.writeBigUInt64LE(BigInt(head.diskSize), at + 48);
  bytes.writeUInt8((head.open ? OPEN : 0) | (head.ended ? ENDED : 0), at + 56);
  if (head.state === undefined) return;
  bytes.write(head.state.generationId, at + 64, 'hex');
  bytes.writeBigUInt64LE(BigInt(head.state.number), at + 80);
};

const readHeads = (bytes: Buffer, headSize: number): Map<string, HrlHead> => {
  const heads = new Map<string, HrlHead>();
  for (let at = 0; at < bytes.length; at += headSize) {
    const diskId = bytes.toString('hex', at, at + 16);
    const generationId = bytes.toString('hex', at + 16, at + 32);
    const number = readNumber(bytes, at + 32);
    const flags = bytes.readUInt8(at + 56);
    const open = (flags & OPEN) !== 0;
    heads.set(diskId, {
      diskId,
      generationId,
      number,
      coveredThrough: readNumber(bytes, at + 40),
      diskSize: readNumber(bytes, at + 48),
      open,
      ended: (flags & ENDED) !== 0,
      state: headSize === HEAD_SIZE ? readState(bytes, at + 64) : open ? undefined : { generationId, number },
    });
  }
  return heads;
};

const readState = (bytes: Buffer, at: number): DiskStateRef | undefined => {
  const generationId = readId(bytes, at);
  return generationId === undefined ? undefined : { generationId, number: readNumber(bytes, at + 16) };
};

const writePosition = (bytes: Buffer, at: number, position: LogPosition | undefined): void => {
  if (position === undefined) return;
  bytes.write(position.salt, at, 'hex');
  bytes.writeBigUInt64LE(BigInt(position.number), at + 8);
  bytes.writeBigUInt64LE(BigInt(position.offset), at + 16);
  bytes.writeBigUInt64LE(BigInt(position.sequence), at + 24);
};

/** A position never stands at byte 0, where the header of the segment is. */
const readPosition = (bytes: Buffer, at: number): LogPosition | undefined => {
  const offset = readNumber(bytes, at + 16);
  if (offset === 0) return undefined;
  return { salt: bytes.toString('hex', at, at + 8), number: readNumber(bytes, at + 8), offset, sequence: readNumber(bytes, at + 24) };
};
