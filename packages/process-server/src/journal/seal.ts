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

/** Where a record begins in its segment, and the turn it is written in. */
export interface SealPlace {
  readonly offset: number;
  readonly turn: number;
}

/** A place in a segment is written once in a turn, so both make the nonce. */
const nonceOf = ({ offset, turn }: SealPlace): Buffer => {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32LE(turn, 0);
  nonce.writeBigUInt64LE(BigInt(offset), 4);
  return nonce;
};

/** The sealed body, in parts. */
export const sealBody = (key: KeyObject, place: SealPlace, bound: Uint8Array, body: Uint8Array): Uint8Array[] => {
  const cipher = createCipheriv(ALGORITHM, key, nonceOf(place));
  cipher.setAAD(bound);
  const sealed = cipher.update(body);
  cipher.final();
  return [sealed, cipher.getAuthTag()];
};

/** The body, or undefined when it is not what was sealed there. */
export const openBody = (key: KeyObject, place: SealPlace, bound: Uint8Array, sealed: Buffer): Buffer | undefined => {
  if (sealed.length < TAG_SIZE) return undefined;
  const decipher = createDecipheriv(ALGORITHM, key, nonceOf(place));
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
