import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { HoldfastError } from '@holdfast/errors';
import { idBytes, idText, newId } from '@holdfast/protocol';
import { damaged } from '../damage.ts';
import { checkVersion, FORMAT_VERSION, MAGIC, newer, OBJECT_KIND, TAG_SIZE } from '../object-header.ts';
import { KEY_SIZE } from './key-ring.ts';
import { encodeRemote, parseRemote, REMOTE_LIMIT, type RemoteSecret } from './remote-secret.ts';
import { DEFAULT_COST, explainCost, memoryOf, type ScryptCost } from './scrypt-cost.ts';
import type { VaultKey } from './vault-key.ts';

/*
 * A key slot wraps the root key for one holder. Byte by byte in docs/format.md, "Key slot"; little-endian.
 *
 *   0  8   magic "HOLDFAST"       48  32  salt                       92  u32 E, bytes of the remote secret
 *   8  u16 format version, 1      80  u8  scrypt log2 N, else 0      96  32  commitment
 *  10  u8  kind, 6                84  u32 scrypt r, else 0          128  48  wrapped root key and tag
 *  11  u8  type, see below        88  u32 scrypt p, else 0          176   E  remote secret
 *  12  u32 root generation        16  16  vault id                 176+E 32  SHA-256 of all before
 *                                 32  16  slot id
 */

/** Bytes of a key slot: the least, and the most. */
const KEY_SLOT_SIZE = 208;
export const KEY_SLOT_LIMIT = KEY_SLOT_SIZE + REMOTE_LIMIT;
const REMOTE_AT = 176;
const CHECKSUM_SIZE = 32;
const SLOT_TYPES = { passphrase: 1, 'key-file': 2, 'key-vault': 3 } as const;
const SLOT_INFO = Buffer.from('holdfast key slot v1', 'latin1');

const scryptAsync = promisify<string, Uint8Array, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt);

export interface KeySlot {
  readonly id: string;
  readonly bytes: Buffer;
}

/** A root key, and which of its vault's: 1, 2 … */
export interface RootKey {
  readonly generation: number;
  readonly key: Uint8Array;
}

/**
 * Wraps a root key of a vault for one holder. Errors: SETTING_INVALID for an empty passphrase, a short secret or a cost out of bounds; those of the
 * service that holds a remote key.
 */
export const createKeySlot = async (vaultId: string, root: RootKey, key: VaultKey): Promise<KeySlot> => {
  checkKey(key);
  const cost = key.kind === 'passphrase' ? (key.cost ?? DEFAULT_COST) : undefined;
  const remote = key.kind === 'key-vault' ? await wrapRemotely(key.key) : undefined;
  const extension = remote === undefined ? Buffer.alloc(0) : encodeRemote(remote.sealed);
  const id = newId();
  const bytes = Buffer.alloc(KEY_SLOT_SIZE + extension.length);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt16LE(FORMAT_VERSION, 8);
  bytes.writeUInt8(OBJECT_KIND.keySlot, 10);
  bytes.writeUInt8(SLOT_TYPES[key.kind], 11);
  // The first root key says nothing of itself: slots of every vault that was never given another.
  bytes.writeUInt32LE(root.generation === 1 ? 0 : root.generation, 12);
  bytes.set(idBytes(vaultId), 16);
  bytes.set(idBytes(id), 32);
  bytes.set(randomBytes(32), 48);
  bytes.writeUInt8(cost?.logN ?? 0, 80);
  bytes.writeUInt32LE(cost?.r ?? 0, 84);
  bytes.writeUInt32LE(cost?.p ?? 0, 88);
  bytes.writeUInt32LE(extension.length, 92);
  bytes.set(extension, REMOTE_AT);
  const { wrappingKey, commitment } = deriveKeys(bytes, remote?.secret ?? (await localSecretOf(key as LocalKey, bytes)));
  bytes.set(commitment, 96);
  const cipher = createCipheriv('aes-256-gcm', wrappingKey, Buffer.alloc(12)).setAAD(authenticatedOf(bytes));
  bytes.set(Buffer.concat([cipher.update(root.key), cipher.final(), cipher.getAuthTag()]), 128);
  bytes.set(checksum(bytes), bytes.length - CHECKSUM_SIZE);
  return { id, bytes };
};

/** What a key slot says to anybody. */
export interface KeySlotSummary {
  readonly kind: VaultKey['kind'];
  /** Of a passphrase: what a guess costs. */
  readonly cost?: ScryptCost;
  /** Of a key vault: which key. */
  readonly keyId?: string;
  readonly keyVersion?: string;
  /** Of which of the vault's root keys, 1, 2 … */
  readonly generation: number;
}

/** Reads what needs no key. Errors: as `openKeySlot`. */
export const describeKeySlot = (vaultId: string, bytes: Buffer, name: string): KeySlotSummary => {
  checkSlot(vaultId, bytes, name);
  const generation = generationOf(bytes);
  switch (bytes.readUInt8(11)) {
    case SLOT_TYPES.passphrase:
      return { kind: 'passphrase', cost: costOf(bytes), generation };
    case SLOT_TYPES['key-file']:
      return { kind: 'key-file', generation };
    case SLOT_TYPES['key-vault']: {
      const { keyId, version } = parseRemote(remoteOf(bytes), name);
      return { kind: 'key-vault', keyId, keyVersion: version, generation };
    }
    default:
      throw newer(name, `it is for a kind of key, ${bytes.readUInt8(11)}, that this program does not know`);
  }
};

/**
 * Unwraps the root key, `undefined` when the slot is another holder's. Errors: DAMAGED (also for a scrypt cost out of bounds, which nobody who means
 * well writes), VAULT_VERSION_UNSUPPORTED, those of the service that holds a remote key. `name` is the slot's.
 */
export const openKeySlot = async (vaultId: string, bytes: Buffer, key: VaultKey, name: string): Promise<RootKey | undefined> => {
  const { kind, cost } = describeKeySlot(vaultId, bytes, name);
  if (kind !== key.kind) return undefined;
  const wrong = cost && explainCost(cost);
  if (wrong !== undefined) throw damaged(name, wrong);
  const secret = key.kind === 'key-vault' ? await unwrapRemotely(key.key, bytes, name) : await localSecretOf(key, bytes);
  if (secret === undefined) return undefined;
  const { wrappingKey, commitment } = deriveKeys(bytes, secret);
  if (!timingSafeEqual(commitment, bytes.subarray(96, 128))) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', wrappingKey, Buffer.alloc(12)).setAAD(authenticatedOf(bytes));
  decipher.setAuthTag(bytes.subarray(128 + KEY_SIZE, 128 + KEY_SIZE + TAG_SIZE));
  const rootKey = decipher.update(bytes.subarray(128, 128 + KEY_SIZE));
  try {
    decipher.final();
  } catch (cause) {
    throw damaged(name, 'the wrapped key fails its authentication', cause);
  }
  return { generation: generationOf(bytes), key: rootKey };
};

/** The id that a slot says of itself; the slot must have been read whole. */
export const slotIdOf = (bytes: Buffer): string => idText(bytes.subarray(32, 48));

const checkSlot = (vaultId: string, bytes: Buffer, name: string): void => {
  if (bytes.length < KEY_SLOT_SIZE) throw damaged(name, `a key slot has ${KEY_SLOT_SIZE} bytes or more and it has ${bytes.length}`);
  checkVersion(bytes, name);
  const length = KEY_SLOT_SIZE + bytes.readUInt32LE(92);
  if (bytes.length !== length || length > KEY_SLOT_LIMIT) throw damaged(name, `it has not the ${length} bytes that it says`);
  if (Buffer.compare(checksum(bytes), bytes.subarray(-CHECKSUM_SIZE)) !== 0) throw damaged(name, 'its checksum is wrong');
  const ownVault = idText(bytes.subarray(16, 32));
  if (ownVault !== vaultId) throw damaged(name, `it belongs to vault ${ownVault}, and the object \`vault\` says ${vaultId}`);
};

const generationOf = (slot: Buffer): number => slot.readUInt32LE(12) || 1;
const costOf = (slot: Buffer): ScryptCost => ({ logN: slot.readUInt8(80), r: slot.readUInt32LE(84), p: slot.readUInt32LE(88) });
const remoteOf = (slot: Buffer): Buffer => slot.subarray(REMOTE_AT, slot.length - CHECKSUM_SIZE);

const checkKey = (key: VaultKey): void => {
  if (key.kind === 'passphrase') {
    if (key.passphrase === '') throw invalid('passphrase', 'it is empty');
    const wrong = key.cost && explainCost(key.cost);
    if (wrong !== undefined) throw invalid('passphrase', wrong);
  }
  if (key.kind === 'key-file' && key.secret.length < KEY_SIZE) throw invalid('key file', `it holds fewer than ${KEY_SIZE} random bytes`);
};

type LocalKey = Exclude<VaultKey, { kind: 'key-vault' }>;

const localSecretOf = async (key: LocalKey, slot: Buffer): Promise<Uint8Array> => {
  if (key.kind === 'key-file') return key.secret;
  const cost = costOf(slot);
  // Node counts its own overhead against the limit.
  const limits = { N: 2 ** cost.logN, r: cost.r, p: cost.p, maxmem: 2 * memoryOf(cost) };
  return scryptAsync(key.passphrase.normalize('NFKC'), slot.subarray(48, 80), 32, limits);
};

/** A new secret, and the same as only the service can say it. */
const wrapRemotely = async (
  key: Extract<VaultKey, { kind: 'key-vault' }>['key'],
): Promise<{ readonly secret: Uint8Array; readonly sealed: RemoteSecret }> => {
  const secret = randomBytes(KEY_SIZE);
  const { version, wrapped } = await key.wrap(secret);
  return { secret, sealed: { keyId: key.id, version, wrapped } };
};

/** A slot comes from outside: what it says is never a reason to ask another service than the one the holder named. */
const unwrapRemotely = async (
  key: Extract<VaultKey, { kind: 'key-vault' }>['key'],
  slot: Buffer,
  name: string,
): Promise<Uint8Array | undefined> => {
  const { keyId, version, wrapped } = parseRemote(remoteOf(slot), name);
  if (keyId !== key.id) return undefined;
  const secret = await key.unwrap(version, wrapped);
  if (secret.length !== KEY_SIZE) throw damaged(name, `the key service unwrapped ${secret.length} bytes of it`);
  return secret;
};

/** One key wraps, the other is shown: GCM alone does not commit to its key, the shown value does, and tells a wrong key from damage. */
const deriveKeys = (slot: Buffer, secret: Uint8Array): { wrappingKey: Buffer; commitment: Buffer } => {
  const keys = Buffer.from(hkdfSync('sha256', secret, slot.subarray(48, 80), Buffer.concat([SLOT_INFO, slot.subarray(16, 48)]), 64));
  return { wrappingKey: keys.subarray(0, 32), commitment: keys.subarray(32) };
};

/** All but the wrapped key and the checksum. */
const authenticatedOf = (slot: Buffer): Buffer => Buffer.concat([slot.subarray(0, 128), remoteOf(slot)]);

const checksum = (slot: Buffer): Buffer => createHash('sha256').update(slot.subarray(0, -CHECKSUM_SIZE)).digest();

const invalid = (thing: string, why: string): HoldfastError =>
  new HoldfastError('SETTING_INVALID', { thing, why, remedy: 'choose another' });
