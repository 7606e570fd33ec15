import zlib from 'node:zlib';
import { HoldfastError } from '@holdfast/errors';
import { CODEC, type CodecName, decode, type EncodeOptions, encode } from './codec.ts';
import { DIGEST_SIZE, digestBlock, digestBlocks } from './digest.ts';
import type { Extent } from './extent.ts';
import { BLOCK_SIZE } from './geometry.ts';

/*
 * A frame is the unit of compression and encryption on the whole way from the agent into the vault: a few extents of one disk with their
 * digests. Byte by byte in docs/format.md, "Frame".
 *
 *   0  u8   version, 1                     16  extents, 16 bytes each:
 *   1  u8   codec                               u64 offset, u32 length, u8 kind, 3 bytes zero
 *   2  u16  number of extents              ..  digests, 16 bytes for each block of each data extent
 *   4  u32  bytes of data, decoded         ..  payload: the data of all data extents, encoded
 *   8  u32  bytes of payload
 *  12  u32  CRC-32 of all other bytes     little-endian throughout
 */

/** Data one frame of the log may hold, in bytes. */
export const FRAME_DATA_LIMIT = 256 * 1024;
/** Extents one frame may hold. */
export const FRAME_EXTENT_LIMIT = 8192;
/** Bytes one extent may span; longer runs of zeroes are split. */
export const FRAME_EXTENT_LENGTH_LIMIT = 1024 * 1024 * 1024;

const VERSION = 1;
const HEADER_SIZE = 16;
const CHECKSUM_AT = 12;
const EXTENT_SIZE = 16;

/** `data` has bytes in the frame, `zero` reads as zeroes, `unreadable` could not be read at the source and must not be served. */
export type ExtentKind = 'data' | 'zero' | 'unreadable';
const KINDS: readonly ExtentKind[] = ['data', 'zero', 'unreadable'];

export interface FrameExtent extends Extent {
  readonly kind: ExtentKind;
}

export interface Frame {
  /** Block-aligned offsets; only the last block of a disk may be short. They don't overlap; data lies in the order of the extents. */
  readonly extents: readonly FrameExtent[];
  /** Bytes of all data extents together. */
  readonly dataLength: number;
  /** One digest for each block of each data extent, in order. */
  readonly digests: Uint8Array;
  readonly codec: number;
  readonly payload: Uint8Array;
}

/** Bytes of data extents, in order. */
export const dataLengthOf = (extents: Iterable<FrameExtent>): number => {
  let sum = 0;
  for (const extent of extents) if (extent.kind === 'data') sum += extent.length;
  return sum;
};

const digestBytesOf = (extents: Iterable<FrameExtent>): number => {
  let blocks = 0;
  for (const extent of extents) if (extent.kind === 'data') blocks += Math.ceil(extent.length / BLOCK_SIZE);
  return blocks * DIGEST_SIZE;
};

/** Compresses `data`, the bytes of all data extents in order. `digests` spares the work where the caller knows them already. */
export const createFrame = async (
  extents: readonly FrameExtent[],
  data: Uint8Array,
  codec: CodecName = 'lz4',
  digests: Uint8Array = digestExtents(extents, data),
  options: EncodeOptions = {},
): Promise<Frame> => {
  const encoded = await encode(data, codec, options);
  return { extents, dataLength: data.length, digests, codec: encoded.codec, payload: encoded.bytes };
};

const digestExtents = (extents: readonly FrameExtent[], data: Uint8Array): Uint8Array => {
  const digests = new Uint8Array(digestBytesOf(extents));
  let from = 0;
  let at = 0;
  for (const extent of extents) {
    if (extent.kind !== 'data') continue;
    const part = digestBlocks(data.subarray(from, from + extent.length));
    digests.set(part, at);
    from += extent.length;
    at += part.length;
  }
  return digests;
};

/** Bytes `serializeFrame` makes of it. */
export const frameSize = (frame: Frame): number =>
  HEADER_SIZE + frame.extents.length * EXTENT_SIZE + frame.digests.length + frame.payload.length;

/** Writes the frame into one buffer: the first bytes of `memory`, where there is some. */
export const serializeFrame = (frame: Frame, memory?: Uint8Array): Buffer => {
  const size = frameSize(frame);
  const bytes =
    memory === undefined ? Buffer.allocUnsafe(size) : Buffer.from(memory.buffer, memory.byteOffset, memory.length).subarray(0, size);
  bytes.writeUInt8(VERSION, 0);
  bytes.writeUInt8(frame.codec, 1);
  bytes.writeUInt16LE(frame.extents.length, 2);
  bytes.writeUInt32LE(frame.dataLength, 4);
  bytes.writeUInt32LE(frame.payload.length, 8);
  let at = HEADER_SIZE;
  for (const extent of frame.extents) {
    bytes.writeUInt32LE(extent.offset % 2 ** 32, at);
    bytes.writeUInt32LE(Math.floor(extent.offset / 2 ** 32), at + 4);
    bytes.writeUInt32LE(extent.length, at + 8);
    bytes.writeUInt32LE(KINDS.indexOf(extent.kind), at + 12);
    at += EXTENT_SIZE;
  }
  bytes.set(frame.digests, at);
  bytes.set(frame.payload, at + frame.digests.length);
  bytes.writeUInt32LE(checksum(bytes), CHECKSUM_AT);
  return bytes;
};

/** Covers the extents too: good data in a wrong place is as bad as wrong data. */
const checksum = (bytes: Uint8Array): number => zlib.crc32(bytes.subarray(CHECKSUM_AT + 4), zlib.crc32(bytes.subarray(0, CHECKSUM_AT)));

const damaged = (why: string): HoldfastError =>
  new HoldfastError('DAMAGED', {
    thing: 'frame',
    why,
    remedy: 'run `holdfast vault check`; the source or a copy of the vault can repair the range',
  });

/**
 * Reads and checks a frame without decoding its data: layout, bounds, order, CRC. The parts are views of `bytes`. `vouched`: something stronger than the
 * CRC stands for the bytes, such as the authentication of a box or the digest of the epoch; then it is left out.
 */
export const parseFrame = (bytes: Uint8Array, { vouched = false }: { readonly vouched?: boolean } = {}): Frame => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < HEADER_SIZE) throw damaged('it is shorter than its header');
  if (buffer.readUInt8(0) !== VERSION) throw damaged(`its version is ${buffer.readUInt8(0)}`);
  const codec = buffer.readUInt8(1);
  if (codec > CODEC.zstd) throw damaged(`its codec ${codec} is unknown`);
  const count = buffer.readUInt16LE(2);
  const dataLength = buffer.readUInt32LE(4);
  const payloadLength = buffer.readUInt32LE(8);
  if (count > FRAME_EXTENT_LIMIT || dataLength > FRAME_DATA_LIMIT) throw damaged('it is larger than a frame may be');
  const digestsAt = HEADER_SIZE + count * EXTENT_SIZE;
  if (buffer.length < digestsAt) throw damaged('its extents are cut short');
  const extents = parseExtents(buffer, count);
  if (dataLengthOf(extents) !== dataLength) throw damaged('its extents and its data differ in length');
  const payloadAt = digestsAt + digestBytesOf(extents);
  if (buffer.length !== payloadAt + payloadLength) throw damaged('its parts and its length differ');
  const payload = buffer.subarray(payloadAt);
  if (!vouched && checksum(buffer) !== buffer.readUInt32LE(CHECKSUM_AT)) throw damaged('its checksum is wrong');
  return { extents, dataLength, digests: buffer.subarray(digestsAt, payloadAt), codec, payload };
};

const parseExtents = (buffer: Buffer, count: number): FrameExtent[] => {
  const extents: FrameExtent[] = [];
  for (let index = 0, at = HEADER_SIZE; index < count; index += 1, at += EXTENT_SIZE) {
    const offset = buffer.readBigUInt64LE(at);
    const length = buffer.readUInt32LE(at + 8);
    const kind = KINDS[buffer.readUInt32LE(at + 12)];
    if (kind === undefined) throw damaged(`extent ${index} is of an unknown kind`);
    if (length === 0 || length > FRAME_EXTENT_LENGTH_LIMIT) throw damaged(`extent ${index} has an impossible length`);
    if (offset > BigInt(Number.MAX_SAFE_INTEGER - length) || offset % BigInt(BLOCK_SIZE) !== 0n)
      throw damaged(`extent ${index} has an impossible offset`);
    extents.push({ offset: Number(offset), length, kind });
  }
  return extents;
};

/** Decodes the data of all data extents and checks every digest; never returns wrong bytes. */
export const openFrame = async (frame: Frame): Promise<Uint8Array> => {
  const data = await decode({ codec: frame.codec, bytes: frame.payload }, frame.dataLength);
  let from = 0;
  let at = 0;
  const digest = new Uint8Array(DIGEST_SIZE);
  for (const extent of frame.extents) {
    if (extent.kind !== 'data') continue;
    for (let done = 0; done < extent.length; done += BLOCK_SIZE, at += DIGEST_SIZE) {
      const length = Math.min(BLOCK_SIZE, extent.length - done);
      digestBlock(data.subarray(from, from + length), digest);
      if (Buffer.compare(digest, frame.digests.subarray(at, at + DIGEST_SIZE)) !== 0)
        throw damaged(`the block at byte ${extent.offset + done} of the disk fails its digest`);
      from += length;
    }
  }
  return data;
};
