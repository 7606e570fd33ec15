import { HoldfastError } from '@holdfast/errors';
import { idBytes, idText } from '@holdfast/protocol';
import { damaged } from './damage.ts';

/*
 * The plain beginning of every object of a vault but key slots. Byte by byte in docs/format.md, "Object header"; little-endian.
 *
 *   0  8   magic "HOLDFAST"            88  32  salt
 *   8  u16 format version, 1          120  u32 bytes of sealed records
 *  10  u8  kind                       124  u32 bytes of sealed index
 *  11  u8  key mode                   128  u32 number of frames
 *  12  u32 key epoch, 0 = root key    132  u32 zero
 *  16  16  vault id                   136  u64 bytes of sealed frames
 *  32  16  machine id                 144  16  tag over all before
 *  48  u64 number
 *  56  32  tag of the previous slot
 */

export const MAGIC = Buffer.from('HOLDFAST', 'latin1');
export const FORMAT_VERSION = 1;
export const TAG_SIZE = 16;
export const HEADER_FIELDS_SIZE = 144;
export const HEADER_SIZE = HEADER_FIELDS_SIZE + TAG_SIZE;
export const SALT_SIZE = 32;
export const SLOT_TAG_SIZE = 32;

/** Bytes the sealed records, and the sealed index, of one object may have. */
export const RECORDS_LIMIT = 16 * 1024 * 1024;
export const INDEX_LIMIT = 64 * 1024 * 1024;
/** Frames one object may have. */
export const FRAME_COUNT_LIMIT = 65_536;

/** Root keys a vault may be given in its life. */
export const ROOT_LIMIT = 10_000;

/** What an object is. The numbers are part of the format. */
export const OBJECT_KIND = {
  segment: 1,
  term: 2,
  machine: 3,
  dataKey: 4,
  vault: 5,
  keySlot: 6,
  catalogue: 7,
  history: 8,
  run: 9,
  part: 10,
  hold: 11,
  scrub: 12,
  holders: 13,
  proof: 14,
} as const;
export type ObjectKind = (typeof OBJECT_KIND)[keyof typeof OBJECT_KIND];

/**
 * How the key of an object is found: a key shared by writer and readers, or a root key that is not the vault's first. 1 is set aside for writers that
 * cannot read.
 */
export const KEY_MODE = { shared: 0, laterRoot: 2 } as const;

/** The id of no machine, in objects of the vault as a whole. */
export const NO_MACHINE = '0'.repeat(32);

export interface ObjectHeader {
  readonly kind: ObjectKind;
  /** 0 for a root key. */
  readonly keyEpoch: number;
  /** Which root key, 2, 3 …; absent for the first one and for data keys. */
  readonly rootGeneration?: number;
  readonly vaultId: string;
  readonly machineId: string;
  /** Sequence of a slot, number of a term, key epoch or catalogue version, else 0: the same as in the name. */
  readonly number: number;
  readonly previousTag: string;
  readonly salt: Uint8Array;
  readonly recordsLength: number;
  readonly indexLength: number;
  readonly frameCount: number;
  readonly framesLength: number;
}

/** The first `HEADER_FIELDS_SIZE` bytes. */
export const writeHeader = (header: ObjectHeader): Buffer => {
  const bytes = Buffer.alloc(HEADER_FIELDS_SIZE);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt16LE(FORMAT_VERSION, 8);
  bytes.writeUInt8(header.kind, 10);
  bytes.writeUInt8(header.rootGeneration === undefined ? KEY_MODE.shared : KEY_MODE.laterRoot, 11);
  bytes.writeUInt32LE(header.rootGeneration ?? header.keyEpoch, 12);
  bytes.set(idBytes(header.vaultId), 16);
  bytes.set(idBytes(header.machineId), 32);
  bytes.writeBigUInt64LE(BigInt(header.number), 48);
  bytes.set(Buffer.from(header.previousTag, 'hex'), 56);
  bytes.set(header.salt, 88);
  bytes.writeUInt32LE(header.recordsLength, 120);
  bytes.writeUInt32LE(header.indexLength, 124);
  bytes.writeUInt32LE(header.frameCount, 128);
  bytes.writeBigUInt64LE(BigInt(header.framesLength), 136);
  return bytes;
};

/** Reads the plain fields and checks all that can be checked without a key. `name` is for errors. */
export const readHeader = (bytes: Buffer, name: string): ObjectHeader => {
  if (bytes.length < HEADER_SIZE) throw damaged(name, 'it is shorter than an object header');
  checkVersion(bytes, name);
  const kind = bytes.readUInt8(10);
  if (!isKind(kind)) throw damaged(name, `it is an object of unknown kind ${kind}`);
  const keyMode = bytes.readUInt8(11);
  if (keyMode !== KEY_MODE.shared && keyMode !== KEY_MODE.laterRoot) throw newer(name, `its key mode is ${keyMode}`);
  if (bytes.readUInt32LE(132) !== 0) throw newer(name, 'it uses a part of its header that this program does not know');
  const header: ObjectHeader = {
    kind,
    ...(keyMode === KEY_MODE.shared ? { keyEpoch: bytes.readUInt32LE(12) } : { keyEpoch: 0, rootGeneration: bytes.readUInt32LE(12) }),
    vaultId: idText(bytes.subarray(16, 32)),
    machineId: idText(bytes.subarray(32, 48)),
    number: safeNumber(bytes, 48, name),
    previousTag: bytes.toString('hex', 56, 88),
    salt: bytes.subarray(88, 120),
    recordsLength: bytes.readUInt32LE(120),
    indexLength: bytes.readUInt32LE(124),
    frameCount: bytes.readUInt32LE(128),
    framesLength: safeNumber(bytes, 136, name),
  };
  const tooLarge = header.recordsLength > RECORDS_LIMIT || header.indexLength > INDEX_LIMIT || header.frameCount > FRAME_COUNT_LIMIT;
  // A root key that is not the first one is at least the second; more than these nobody ever had.
  if (header.rootGeneration !== undefined && (header.rootGeneration < 2 || header.rootGeneration > ROOT_LIMIT))
    throw damaged(name, `it names root key ${header.rootGeneration}`);
  if (tooLarge) throw damaged(name, 'its parts are larger than they may be');
  return header;
};

/** Refuses what is no object of a vault, and objects of newer formats. */
export const checkVersion = (bytes: Buffer, name: string): void => {
  if (Buffer.compare(bytes.subarray(0, 8), MAGIC) !== 0) throw damaged(name, 'it does not begin as an object of a vault does');
  const version = bytes.readUInt16LE(8);
  if (version === 0) throw damaged(name, 'its format version is 0');
  if (version > FORMAT_VERSION) throw newer(name, `its format version is ${version} and this program knows version ${FORMAT_VERSION}`);
};

export const newer = (name: string, why: string): HoldfastError =>
  new HoldfastError('VAULT_VERSION_UNSUPPORTED', { thing: name, why, remedy: 'use a newer release of Holdfast' });

const isKind = (kind: number): kind is ObjectKind => Object.values<number>(OBJECT_KIND).includes(kind);

const safeNumber = (bytes: Buffer, at: number, name: string): number => {
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(name, `it holds an impossible number at byte ${at}`);
  return Number(value);
};
