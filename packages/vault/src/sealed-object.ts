import { createCipheriv, createHash, type KeyObject, randomBytes } from 'node:crypto';
import { deriveObjectKey, openBox, PART, sealBox } from './box.ts';
import { damaged } from './damage.ts';
import {
  HEADER_FIELDS_SIZE,
  HEADER_SIZE,
  type ObjectHeader,
  readHeader,
  SALT_SIZE,
  SLOT_TAG_SIZE,
  TAG_SIZE,
  writeHeader,
} from './object-header.ts';

/** The previous tag of objects that have no previous one. */
export const NO_TAG = '00'.repeat(SLOT_TAG_SIZE);

/** What goes into an object, before it is sealed. */
export interface ObjectContent {
  readonly records: Uint8Array;
  /** Empty where there are no frames. */
  readonly index: Uint8Array;
  readonly frames: readonly Uint8Array[];
}

export type ObjectIdentity = Pick<
  ObjectHeader,
  'kind' | 'keyEpoch' | 'rootGeneration' | 'vaultId' | 'machineId' | 'number' | 'previousTag'
>;

export interface SealedObject {
  readonly bytes: Buffer;
  /** SHA-256 over all before the frames, 64 hexadecimal digits; for a segment the slot's tag. */
  readonly tag: string;
}

const boxSize = (plain: Uint8Array): number => (plain.length === 0 ? 0 : plain.length + TAG_SIZE);

/**
 * A salt for an object with this header. The whole content goes into it: a random generator that was copied with its machine gives the same bytes
 * again, and must not make the same (key, nonce) for something else.
 */
const saltFor = (random: Uint8Array, header: ObjectHeader, { records, index, frames }: ObjectContent): Buffer => {
  const hash = createHash('sha256').update(random).update(writeHeader(header)).update(records).update(index);
  return hash.update(codeOf(random, frames)).digest();
};

/** A code of the frames that is another one for other frames, whatever the key: GMAC, which takes a quarter of the time of a hash. */
const codeOf = (key: Uint8Array, frames: readonly Uint8Array[]): Buffer => {
  const cipher = createCipheriv('aes-256-gcm', key, new Uint8Array(12));
  for (const frame of frames) cipher.setAAD(frame);
  cipher.final();
  return cipher.getAuthTag();
};

/** Seals an object under a fresh salt: header, records, index, frames. `memory` gives the bytes to write it into; fresh ones unless told. */
export const sealObject = (
  key: Uint8Array,
  identity: ObjectIdentity,
  content: ObjectContent,
  random: Uint8Array = randomBytes(SALT_SIZE),
  memory: (size: number) => Buffer = Buffer.allocUnsafe,
): SealedObject => {
  const { records, index, frames } = content;
  const unsalted: ObjectHeader = {
    ...identity,
    salt: new Uint8Array(SALT_SIZE),
    recordsLength: boxSize(records),
    indexLength: boxSize(index),
    frameCount: frames.length,
    framesLength: frames.reduce((sum, frame) => sum + frame.length + TAG_SIZE, 0),
  };
  const header: ObjectHeader = { ...unsalted, salt: saltFor(random, unsalted, content) };
  const headLength = HEADER_SIZE + header.recordsLength + header.indexLength;
  const bytes = memory(headLength + header.framesLength);
  const fields = writeHeader(header);
  const objectKey = deriveObjectKey(key, header);
  bytes.set(fields, 0);
  sealBox(objectKey, fields, { part: PART.header, number: 0, last: true }, new Uint8Array(0), bytes, HEADER_FIELDS_SIZE);
  sealBox(objectKey, fields, { part: PART.records, number: 0, last: true }, records, bytes, HEADER_SIZE);
  if (index.length > 0)
    sealBox(objectKey, fields, { part: PART.index, number: 0, last: true }, index, bytes, HEADER_SIZE + header.recordsLength);
  let at = headLength;
  for (const [number, frame] of frames.entries()) {
    sealBox(objectKey, fields, { part: PART.frame, number, last: number === frames.length - 1 }, frame, bytes, at);
    at += frame.length + TAG_SIZE;
  }
  return { bytes, tag: tagOf(bytes.subarray(0, headLength)) };
};

const tagOf = (head: Uint8Array): string => createHash('sha256').update(head).digest('hex');

/** The opened head of an object: all but its frames. */
export interface ObjectHead {
  readonly header: ObjectHeader;
  readonly tag: string;
  readonly records: Buffer;
  readonly index: Buffer;
  /** Where the frames begin in the object. */
  readonly framesAt: number;
  /** Opens frame `number` from its sealed bytes. */
  openFrame(number: number, sealed: Uint8Array): Buffer;
  readonly frameKeys: FrameKeys;
}

/** All that is needed to open an object's frames, wherever that is done. */
export interface FrameKeys {
  readonly key: KeyObject;
  /** The header without its tag. */
  readonly fields: Uint8Array;
  /** Frames of the object. */
  readonly count: number;
}

/** Bytes of the head, and of the whole object, by the (unchecked) header at the beginning of `bytes`. */
export const lengthsOf = (bytes: Buffer, name: string): { readonly headLength: number; readonly length: number } => {
  const header = readHeader(bytes, name);
  const headLength = HEADER_SIZE + header.recordsLength + header.indexLength;
  return { headLength, length: headLength + header.framesLength };
};

/**
 * Opens and checks the head of an object from at least its first `headLength` bytes, with the key its header names. `expected` is what the
 * object's name says about it.
 * Errors: DAMAGED, VAULT_VERSION_UNSUPPORTED.
 */
export const openHead = (
  key: Uint8Array,
  expected: Pick<ObjectHeader, 'kind' | 'vaultId' | 'machineId' | 'number'>,
  bytes: Buffer,
  name: string,
): ObjectHead => {
  // A copy, not out of a pool: what opens frames later must not keep all that was read alive.
  const plain = Buffer.alloc(Math.min(bytes.length, HEADER_SIZE));
  bytes.copy(plain);
  const header = readHeader(plain, name);
  for (const field of ['kind', 'vaultId', 'machineId', 'number'] as const)
    if (header[field] !== expected[field]) throw damaged(name, `its ${field} is ${header[field]} where its name says ${expected[field]}`);
  const fields = plain.subarray(0, HEADER_FIELDS_SIZE);
  const objectKey = deriveObjectKey(key, header);
  const indexAt = HEADER_SIZE + header.recordsLength;
  const framesAt = indexAt + header.indexLength;
  const open = (part: (typeof PART)[keyof typeof PART], sealed: Uint8Array, what: string): Buffer =>
    openBox(objectKey, fields, { part, number: 0, last: true }, sealed, `${name}, ${what}`);
  open(PART.header, bytes.subarray(HEADER_FIELDS_SIZE, HEADER_SIZE), 'header');
  if (bytes.length < framesAt) throw damaged(name, 'it is cut short');
  return {
    header,
    tag: tagOf(bytes.subarray(0, framesAt)),
    records: open(PART.records, bytes.subarray(HEADER_SIZE, indexAt), 'records'),
    index: header.indexLength === 0 ? Buffer.alloc(0) : open(PART.index, bytes.subarray(indexAt, framesAt), 'index'),
    framesAt,
    openFrame: (number, sealed) =>
      openBox(objectKey, fields, { part: PART.frame, number, last: number === header.frameCount - 1 }, sealed, `${name}, frame ${number}`),
    frameKeys: { key: objectKey, fields, count: header.frameCount },
  };
};
