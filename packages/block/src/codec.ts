import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { HoldfastError } from '@holdfast/errors';
import { compress, compressSync, uncompress, uncompressSync } from 'lz4-napi';

/** How the data of a frame is stored. The numbers are part of the vault format. */
export const CODEC = { raw: 0, lz4: 1, zstd: 2 } as const;
export type CodecName = keyof typeof CODEC;

const zstdCompress = promisify(zlib.zstdCompress);
const zstdDecompress = promisify(zlib.zstdDecompress);

/** Compressing pays only when it saves at least this share; otherwise data is kept raw. */
const WORTHWHILE = 0.95;

/*
 * What the LZ4 library allocates is given back by finalizers, for which Node waits until its event loop turns. Who calls it again and again and never waits
 * for anything but promises holds all that memory, and has the kernel make new pages for every frame: 2.5 CPU s/GB, three times what compressing takes.
 */
const BETWEEN_TURNS = 1024 * 1024;
let sinceTurn = 0;

const turnNowAndThen = async (length: number): Promise<void> => {
  sinceTurn += length;
  if (sinceTurn < BETWEEN_TURNS) return;
  sinceTurn = 0;
  await nextTurn();
};

export interface Encoded {
  readonly codec: number;
  readonly bytes: Uint8Array;
}

export interface EncodeOptions {
  readonly alone?: boolean;
}

/**
 * Compresses off the caller's thread; keeps `data` itself (not a copy) where that gains too little. `alone`: nothing else is to be compressed at the same
 * time, so that asking another thread would only cost time.
 */
export const encode = async (data: Uint8Array, codec: CodecName, { alone = false }: EncodeOptions = {}): Promise<Encoded> => {
  if (codec === 'raw' || data.length === 0) return { codec: CODEC.raw, bytes: data };
  if (alone) await turnNowAndThen(data.length);
  const bytes =
    codec === 'lz4'
      ? alone
        ? compressSync(asBuffer(data))
        : await compress(asBuffer(data))
      : await zstdCompress(data, { params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 } });
  return bytes.length < data.length * WORTHWHILE ? { codec: CODEC[codec], bytes } : { codec: CODEC.raw, bytes: data };
};

export interface DecodeOptions {
  readonly alone?: boolean;
}

/**
 * Undoes `encode`. `length` is what must come out; anything else is `DAMAGED`, and no more than that is ever allocated. `alone`: nothing else is to be decoded
 * at the same time, so that asking another thread would only cost time.
 */
export const decode = async ({ codec, bytes }: Encoded, length: number, { alone = false }: DecodeOptions = {}): Promise<Uint8Array> => {
  const data = await decodeBytes(codec, bytes, length, alone).catch((cause: unknown) => {
    throw damaged(`codec ${codec} could not be undone`, cause);
  });
  if (data.length !== length) throw damaged(`it holds ${data.length} bytes where ${length} were announced`);
  return data;
};

const decodeBytes = async (codec: number, bytes: Uint8Array, length: number, alone: boolean): Promise<Uint8Array> => {
  switch (codec) {
    case CODEC.raw:
      return bytes;
    case CODEC.lz4: {
      // The block format starts with the plain length (u32 LE), which the decoder would allocate unseen.
      if (bytes.length < 4 || asBuffer(bytes).readUInt32LE(0) !== length) throw damaged('its announced length is wrong');
      if (!alone) return uncompress(asBuffer(bytes));
      await turnNowAndThen(length);
      return uncompressSync(asBuffer(bytes));
    }
    case CODEC.zstd:
      return zstdDecompress(bytes, { maxOutputLength: Math.max(1, length) });
    default:
      throw damaged(`codec ${codec} is unknown`);
  }
};

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const damaged = (why: string, cause?: unknown): HoldfastError =>
  new HoldfastError('DAMAGED', {
    thing: 'compressed data',
    why,
    remedy: 'run `holdfast vault check` and repair the range by resynchronization',
    cause,
  });
