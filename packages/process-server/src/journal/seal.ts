import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { TAG_SIZE } from './record.ts';

const ALGORITHM = 'aes-256-gcm';

/** The key of one use of a segment: HKDF-SHA-256 of the journal's key, the segment's salt, its number and the journal's id. */
export const segmentKey = (key: Uint8Array, journalId: string, salt: Uint8Array, number: number): KeyObject => {
  const tail = Buffer.alloc(8);
  tail.writeBigUInt64LE(BigInt(number));
  const info = Buffer.concat([Buffer.from('holdfast journal v1'), Buffer.from(journalId, 'hex'), tail]);
  // Bytes would be turned into this anew for each record, which costs more than sealing it.
  return createSecretKey(Buffer.from(hkdfSync('sha256', key, salt, info, 32)));
};

/** A place in a segment is written once under one salt, so the place makes the nonce. */
const nonceOf = (offset: number): Buffer => {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64LE(BigInt(offset), 4);
  return nonce;
};

/** The sealed body, in parts. */
export const sealBody = (key: KeyObject, offset: number, bound: Uint8Array, body: Uint8Array): Uint8Array[] => {
  const cipher = createCipheriv(ALGORITHM, key, nonceOf(offset));
  cipher.setAAD(bound);
  const sealed = cipher.update(body);
  cipher.final();
  return [sealed, cipher.getAuthTag()];
};

/** The body, or undefined when it is not what was sealed there. */
export const openBody = (key: KeyObject, offset: number, bound: Uint8Array, sealed: Buffer): Buffer | undefined => {
  if (sealed.length < TAG_SIZE) return undefined;
  const decipher = createDecipheriv(ALGORITHM, key, nonceOf(offset));
  decipher.setAAD(bound);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_SIZE));
  const body = decipher.update(sealed.subarray(0, sealed.length - TAG_SIZE));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return body;
};
