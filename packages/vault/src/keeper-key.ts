import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { ID_SIZE, idBytes } from '@holdfast/protocol';
import { KEY_SIZE } from './keys/key-ring.ts';

/*
 * Whoever may write to a vault and has its key can publish a version of a catalogue. What keepers delete upon must come from a keeper: they vouch for what
 * they publish, with a key that nobody else has. docs/format.md, "Vouching".
 */

const INFO = Buffer.from('holdfast keeper v1', 'latin1');
const VOUCHER_SIZE = 32;
/** Field 14 of a catalogue, 32 bytes: what the records of a version end with that somebody vouches for. */
const VOUCHER_FIELD = Buffer.from([(14 << 3) | 2, VOUCHER_SIZE]);

/** What a version says of who vouches for it. Whether that is true only the key tells. */
export interface VoucherClaim {
  /** SHA-256 of all the records before the voucher. */
  readonly digest: Uint8Array;
  readonly voucher: Uint8Array;
}

interface Place {
  readonly machineId: string;
  readonly version: number;
}

/** The key that the keepers of a vault share, and nobody else. */
export interface KeeperKey {
  /** Tells keys apart, and nothing about them. */
  readonly id: Uint8Array;
  /** The records of a version with a voucher behind them. */
  vouchFor(place: Place, records: Uint8Array): Buffer;
  /** True when whoever made the claim had the key. */
  hasVouched(place: Place, claim: VoucherClaim | undefined): boolean;
}

/** The claim that records end with, if any. */
export const claimOf = (records: Uint8Array): VoucherClaim | undefined => {
  const end = records.length - VOUCHER_FIELD.length - VOUCHER_SIZE;
  if (end < 0 || Buffer.compare(records.subarray(end, end + VOUCHER_FIELD.length), VOUCHER_FIELD) !== 0) return undefined;
  return {
    digest: createHash('sha256').update(records.subarray(0, end)).digest(),
    voucher: Uint8Array.from(records.subarray(end + VOUCHER_FIELD.length)),
  };
};

/** Out of the content of a key file; of each vault it is another one. */
export const keeperKeyOf = (secret: Uint8Array, vaultId: string): KeeperKey => {
  const derived = Buffer.from(hkdfSync('sha256', secret, new Uint8Array(0), Buffer.concat([INFO, idBytes(vaultId)]), KEY_SIZE + ID_SIZE));
  const key = derived.subarray(0, KEY_SIZE);
  const voucherOf = ({ machineId, version }: Place, digest: Uint8Array): Buffer => {
    const number = Buffer.alloc(8);
    number.writeBigUInt64LE(BigInt(version));
    return createHmac('sha256', key).update(idBytes(machineId)).update(number).update(digest).digest();
  };
  return {
    id: Uint8Array.from(derived.subarray(KEY_SIZE)),
    vouchFor: (place, records) => Buffer.concat([records, VOUCHER_FIELD, voucherOf(place, createHash('sha256').update(records).digest())]),
    hasVouched: (place, claim) => claim !== undefined && timingSafeEqual(voucherOf(place, claim.digest), claim.voucher),
  };
};
