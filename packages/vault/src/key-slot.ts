import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { HoldfastError } from '@holdfast/errors';
import { idBytes, idText, newId } from '@holdfast/protocol';
import { damaged } from './damage.ts';
import { KEY_SIZE } from './key-ring.ts';
import { checkVersion, FORMAT_VERSION, MAGIC, newer, OBJECT_KIND, TAG_SIZE } from './object-header.ts';

/*
 * A key slot wraps the root key for one holder. Byte by byte in docs/format.md, "Key slot"; little-endian.
 *
 *   0  8   magic "HOLDFAST"       48  32  salt                       96  32  commitment
 *   8  u16 format version, 1      80  u8  scrypt log2 N, else 0     128  48  wrapped root key and tag
 *  10  u8  kind, 6                84  u32 scrypt r, else 0          176  32  SHA-256 of all before
 *  11  u8  1 passphrase, 2 file   88  u32 scrypt p, else 0
 *  16  16  vault id               32  16  slot id                   others zero
 */

/** Cost of turning a passphrase into a key (RFC 7914): memory is 128 × 2^logN × r bytes. */
export interface ScryptCost {
  readonly logN: number;
  readonly r: number;
  readonly p: number;
}

/** What a person or program opens a vault with. */
export type VaultKey =
  | { readonly kind: 'passphrase'; readonly passphrase: string; readonly cost?: ScryptCost }
  | { readonly kind: 'key-file'; readonly secret: Uint8Array };

/** Bytes of a key slot. */
export const KEY_SLOT_SIZE = 208;
const SLOT_TYPES = { passphrase: 1, 'key-file': 2 } as const;
const SLOT_INFO = Buffer.from('holdfast key slot v1', 'latin1');
/** 128 MiB and about half a second. */
const DEFAULT_COST: ScryptCost = { logN: 17, r: 8, p: 1 };
/** The slot comes from outside: less would be a weak vault, more an attack on the memory of whoever opens it. */
const FLOOR: ScryptCost = { logN: 14, r: 8, p: 1 };
const CEILING: ScryptCost = { logN: 20, r: 16, p: 16 };
const MEMORY_CEILING = 1024 ** 3;

const scryptAsync = promisify<string, Uint8Array, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt);

export interface KeySlot {
  readonly id: string;
  readonly bytes: Buffer;
}

/** Wraps the root key of a vault for one holder. Errors: SETTING_INVALID for an empty passphrase, a short secret or a cost out of bounds. */
export const createKeySlot = async (vaultId: string, rootKey: Uint8Array, key: VaultKey): Promise<KeySlot> => {
  const cost = key.kind === 'passphrase' ? (key.cost ?? DEFAULT_COST) : undefined;
  if (key.kind === 'passphrase' && key.passphrase === '') throw invalid('passphrase', 'it is empty');
  if (key.kind === 'key-file' && key.secret.length < KEY_SIZE) throw invalid('key file', `it holds fewer than ${KEY_SIZE} random bytes`);
  if (cost !== undefined && !withinBounds(cost)) throw invalid('scrypt cost', 'it is out of bounds');
  const id = newId();
  const bytes = Buffer.alloc(KEY_SLOT_SIZE);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt16LE(FORMAT_VERSION, 8);
  bytes.writeUInt8(OBJECT_KIND.keySlot, 10);
  bytes.writeUInt8(SLOT_TYPES[key.kind], 11);
  bytes.set(idBytes(vaultId), 16);
  bytes.set(idBytes(id), 32);
  bytes.set(randomBytes(32), 48);
  bytes.writeUInt8(cost?.logN ?? 0, 80);
  bytes.writeUInt32LE(cost?.r ?? 0, 84);
  bytes.writeUInt32LE(cost?.p ?? 0, 88);
  const { wrappingKey, commitment } = await deriveKeys(bytes, await secretOf(key, bytes));
  bytes.set(commitment, 96);
  const cipher = createCipheriv('aes-256-gcm', wrappingKey, Buffer.alloc(12)).setAAD(bytes.subarray(0, 128));
  bytes.set(Buffer.concat([cipher.update(rootKey), cipher.final(), cipher.getAuthTag()]), 128);
  bytes.set(checksum(bytes), 176);
  return { id, bytes };
};

/** What a key slot says to anybody: which kind of key it is for, and what a guess at a passphrase costs. */
export interface KeySlotSummary {
  readonly kind: VaultKey['kind'];
  readonly cost?: ScryptCost;
}

/** Reads what needs no key. Errors: as `openKeySlot`. */
export const describeKeySlot = (vaultId: string, bytes: Buffer, name: string): KeySlotSummary => {
  checkSlot(vaultId, bytes, name);
  const type = bytes.readUInt8(11);
  if (type === SLOT_TYPES.passphrase) return { kind: 'passphrase', cost: costOf(bytes) };
  if (type === SLOT_TYPES['key-file']) return { kind: 'key-file' };
  throw newer(name, `it is for a kind of key, ${type}, that this program does not know`);
};

/**
 * Unwraps the root key, `undefined` when the slot is another holder's. Errors: DAMAGED (also for a scrypt cost out of bounds, which nobody who means
 * well writes), VAULT_VERSION_UNSUPPORTED. `name` is the slot's.
 */
export const openKeySlot = async (vaultId: string, bytes: Buffer, key: VaultKey, name: string): Promise<Buffer | undefined> => {
  checkSlot(vaultId, bytes, name);
  if (bytes.readUInt8(11) !== SLOT_TYPES[key.kind]) return undefined;
  if (key.kind === 'passphrase' && !withinBounds(costOf(bytes))) throw damaged(name, 'its scrypt cost is out of bounds');
  const { wrappingKey, commitment } = await deriveKeys(bytes, await secretOf(key, bytes));
  if (!timingSafeEqual(commitment, bytes.subarray(96, 128))) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', wrappingKey, Buffer.alloc(12)).setAAD(bytes.subarray(0, 128));
  decipher.setAuthTag(bytes.subarray(128 + KEY_SIZE, 128 + KEY_SIZE + TAG_SIZE));
  const rootKey = decipher.update(bytes.subarray(128, 128 + KEY_SIZE));
  try {
    decipher.final();
  } catch (cause) {
    throw damaged(name, 'the wrapped key fails its authentication', cause);
  }
  return rootKey;
};

const checkSlot = (vaultId: string, bytes: Buffer, name: string): void => {
  if (bytes.length !== KEY_SLOT_SIZE) throw damaged(name, `a key slot has ${KEY_SLOT_SIZE} bytes and it has ${bytes.length}`);
  checkVersion(bytes, name);
  if (Buffer.compare(checksum(bytes), bytes.subarray(176)) !== 0) throw damaged(name, 'its checksum is wrong');
  const ownVault = idText(bytes.subarray(16, 32));
  if (ownVault !== vaultId) throw damaged(name, `it belongs to vault ${ownVault}, and the object \`vault\` says ${vaultId}`);
};

const costOf = (slot: Buffer): ScryptCost => ({ logN: slot.readUInt8(80), r: slot.readUInt32LE(84), p: slot.readUInt32LE(88) });

const withinBounds = (cost: ScryptCost): boolean =>
  (['logN', 'r', 'p'] as const).every(
    (field) => Number.isInteger(cost[field]) && cost[field] >= FLOOR[field] && cost[field] <= CEILING[field],
  ) && memoryOf(cost) <= MEMORY_CEILING;

const memoryOf = ({ logN, r }: ScryptCost): number => 128 * 2 ** logN * r;

const secretOf = async (key: VaultKey, slot: Buffer): Promise<Uint8Array> => {
  if (key.kind === 'key-file') return key.secret;
  const cost = costOf(slot);
  // Node counts its own overhead against the limit.
  const limits = { N: 2 ** cost.logN, r: cost.r, p: cost.p, maxmem: 2 * memoryOf(cost) };
  return scryptAsync(key.passphrase.normalize('NFKC'), slot.subarray(48, 80), 32, limits);
};

/** One key wraps, the other is shown: GCM alone does not commit to its key, the shown value does, and tells a wrong key from damage. */
const deriveKeys = async (slot: Buffer, secret: Uint8Array): Promise<{ wrappingKey: Buffer; commitment: Buffer }> => {
  const keys = Buffer.from(hkdfSync('sha256', secret, slot.subarray(48, 80), Buffer.concat([SLOT_INFO, slot.subarray(16, 48)]), 64));
  return { wrappingKey: keys.subarray(0, 32), commitment: keys.subarray(32) };
};

const checksum = (slot: Buffer): Buffer => createHash('sha256').update(slot.subarray(0, 176)).digest();

const invalid = (thing: string, why: string): HoldfastError =>
  new HoldfastError('SETTING_INVALID', { thing, why, remedy: 'choose another' });
