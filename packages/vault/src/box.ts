import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { giveBack } from '@holdfast/block';
import { idBytes } from '@holdfast/protocol';
import { damaged } from './damage.ts';
import { HEADER_FIELDS_SIZE, type ObjectHeader, TAG_SIZE } from './object-header.ts';

/*
 * A box is a part of an object sealed by AES-256-GCM: ciphertext, then the 16-byte tag. Every object has its own key, derived with the random salt
 * of its header, so (key, nonce) never repeats although nonces are mere numbers. Every tag covers the whole header, so a box cannot be moved to
 * another object, place or machine. docs/format.md, "Boxes".
 */

/** Which part of the object a box is; part of nonce and authenticated data. */
export const PART = { header: 0, records: 1, index: 2, frame: 3 } as const;
export type Part = (typeof PART)[keyof typeof PART];

export interface BoxPlace {
  readonly part: Part;
  /** 0, 1, 2 … among the frames, else 0. */
  readonly number: number;
  /** True for the last frame and for every part that there is only one of. */
  readonly last: boolean;
}

const KEY_INFO = Buffer.from('holdfast object v1', 'latin1');

/** The key of one object from the data key (or root key) its header names. */
export const deriveObjectKey = (
  key: Uint8Array,
  { salt, vaultId, machineId, kind }: Pick<ObjectHeader, 'salt' | 'vaultId' | 'machineId' | 'kind'>,
): KeyObject => {
  const info = Buffer.concat([KEY_INFO, idBytes(vaultId), idBytes(machineId), Buffer.from([kind])]);
  // As an object: with bytes every cipher would make one of its own, which takes as long as all it does for a small box.
  return createSecretKey(Buffer.from(hkdfSync('sha256', key, salt, info, 32)));
};

const nonceOf = ({ part, number }: BoxPlace): Buffer => {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32LE(part, 0);
  nonce.writeBigUInt64LE(BigInt(number), 4);
  return nonce;
};

const authenticated = (headerFields: Uint8Array, { part, number, last }: BoxPlace, length: number): Buffer => {
  const data = Buffer.alloc(HEADER_FIELDS_SIZE + 16);
  data.set(headerFields.subarray(0, HEADER_FIELDS_SIZE));
  data.writeUInt8(part, HEADER_FIELDS_SIZE);
  data.writeUInt8(last ? 1 : 0, HEADER_FIELDS_SIZE + 1);
  data.writeUInt32LE(length, HEADER_FIELDS_SIZE + 4);
  data.writeBigUInt64LE(BigInt(number), HEADER_FIELDS_SIZE + 8);
  return data;
};

/** Seals `plain` into `target` at `at`; takes `plain.length + TAG_SIZE` bytes there. */
export const sealBox = (
  objectKey: KeyObject,
  headerFields: Uint8Array,
  place: BoxPlace,
  plain: Uint8Array,
  target: Buffer,
  at: number,
): void => {
  const cipher = createCipheriv('aes-256-gcm', objectKey, nonceOf(place)).setAAD(authenticated(headerFields, place, plain.length));
  const sealed = cipher.update(plain);
  target.set(sealed, at);
  giveBack(sealed);
  cipher.final();
  target.set(cipher.getAuthTag(), at + plain.length);
};

/** Opens a box. `what` names it in the DAMAGED error. */
export const openBox = (objectKey: KeyObject, headerFields: Uint8Array, place: BoxPlace, sealed: Uint8Array, what: string): Buffer => {
  const length = sealed.length - TAG_SIZE;
  if (length < 0) throw damaged(what, 'it is cut short');
  const decipher = createDecipheriv('aes-256-gcm', objectKey, nonceOf(place)).setAAD(authenticated(headerFields, place, length));
  decipher.setAuthTag(sealed.subarray(length));
  const plain = decipher.update(sealed.subarray(0, length));
  try {
    decipher.final();
  } catch (cause) {
    throw damaged(what, 'it fails its authentication: bytes were changed, or it belongs somewhere else', cause);
  }
  return plain;
};
