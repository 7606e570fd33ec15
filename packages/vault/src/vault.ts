import { randomBytes } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';
import { newId, VaultRecordSchema } from '@holdfast/protocol';
import { createKeyRing, fingerprintOf, KEY_SIZE, type RootKeys } from './keys/key-ring.ts';
import { createKeySlot } from './keys/key-slot.ts';
import { type OpenedRoots, type OpenRootsOptions, openRoots } from './keys/open-roots.ts';
import type { VaultKey } from './keys/vault-key.ts';
import { listMachines, type MachineSummary } from './machine.ts';
import { HEADER_SIZE, NO_MACHINE, OBJECT_KIND, readHeader } from './object-header.ts';
import { keySlotName, VAULT_NAME } from './object-names.ts';
import { decodeRecords, ifPresent } from './read-object.ts';
import { NO_TAG, sealObject } from './sealed-object.ts';
import type { KeyRing, VaultAccess } from './vault-access.ts';

/** An opened vault: a store and the keys to it. */
export interface Vault extends VaultAccess {
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly store: ObjectStore;
  readonly keys: KeyRing;
  /** The key slot it was opened by. */
  readonly slotId: string;
  /** 32 hexadecimal digits, no secret, the same for ever: tells this vault from one that was put in its place. */
  readonly fingerprint: string;
  /** The machines registered in the vault, by id. */
  machines(): Promise<MachineSummary[]>;
  /** Forgets the keys and closes the store. */
  close(): Promise<void>;
}

export interface CreateVaultOptions {
  readonly name: string;
  /** Each of these opens the vault; at least one. */
  readonly keys: readonly VaultKey[];
}

/** Creates a vault in a store. Errors: VAULT_EXISTS, SETTING_INVALID. */
export const createVault = async (store: ObjectStore, { name, keys }: CreateVaultOptions): Promise<Vault> => {
  if (keys.length === 0)
    throw new HoldfastError('SETTING_INVALID', { thing: `vault ${store.url}`, why: 'nobody could ever open it', remedy: 'give it a key' });
  if ((await ifPresent(store.stat(VAULT_NAME))) !== undefined) throw vaultExists(store);
  const id = newId();
  const rootKey = randomBytes(KEY_SIZE);
  // Slots first: a vault that can be seen can be opened.
  let slotId = '';
  for (const key of keys) {
    const slot = await createKeySlot(id, { generation: 1, key: rootKey }, key);
    await store.create(keySlotName(slot.id), slot.bytes);
    slotId ||= slot.id;
  }
  const created = Date.now();
  const { bytes } = sealObject(
    rootKey,
    { kind: OBJECT_KIND.vault, keyEpoch: 0, vaultId: id, machineId: NO_MACHINE, number: 0, previousTag: NO_TAG },
    {
      records: toBinary(VaultRecordSchema, create(VaultRecordSchema, { name, createdUnixMillis: BigInt(created) })),
      index: new Uint8Array(0),
      frames: [],
    },
  );
  try {
    await store.create(VAULT_NAME, bytes);
  } catch (reason) {
    throw isHoldfastError(reason, 'OBJECT_EXISTS') ? vaultExists(store, reason) : reason;
  }
  const rootKeys = [rootKey];
  const renew = async (): Promise<RootKeys> => (await openRoots(store, id, keys[0]!)).rootKeys;
  return asVault(
    { id, store, keys: createKeyRing(store, id, rootKeys, renew) },
    { name, created, slotId, fingerprint: fingerprintOf(rootKeys) },
  );
};

export interface OpenVaultOptions extends OpenRootsOptions {
  /** What `Vault.fingerprint` must be: a vault that somebody put in the place of this one is not opened. */
  readonly fingerprint?: string;
}

/** Tells a key. Asked again whenever the vault was given a new root key while it is open, so that whoever keeps the key may exchange it. */
export type KeySource = () => Promise<VaultKey>;

/**
 * Opens a vault. Errors: VAULT_NOT_FOUND, VAULT_VERSION_UNSUPPORTED, VAULT_KEY_WRONG, DAMAGED, IDENTITY_MISMATCH, those of a service that holds the
 * key.
 */
export const openVault = async (
  store: ObjectStore,
  key: VaultKey | KeySource,
  { fingerprint, ...options }: OpenVaultOptions = {},
): Promise<Vault> => {
  const beginning = await ifPresent(store.read(VAULT_NAME, { offset: 0, length: HEADER_SIZE }));
  if (beginning === undefined)
    throw new HoldfastError('VAULT_NOT_FOUND', {
      thing: store.url,
      why: 'there is no vault',
      remedy: 'check the address, or create a vault there',
    });
  const { vaultId } = readHeader(Buffer.from(beginning), VAULT_NAME);
  const open = async (): Promise<OpenedRoots> => openRoots(store, vaultId, typeof key === 'function' ? await key() : key, options);
  const { rootKeys, slotId, head } = await open();
  const own = fingerprintOf(rootKeys);
  if (fingerprint !== undefined && own !== fingerprint.toLowerCase())
    throw new HoldfastError('IDENTITY_MISMATCH', {
      thing: store.url,
      why: `the vault there has the fingerprint ${own}, and ${fingerprint} was expected`,
      remedy: 'find out who put another vault there; write nothing to it',
    });
  const renew = async (): Promise<RootKeys> => (await open()).rootKeys;
  const { name, createdUnixMillis } = decodeRecords(VaultRecordSchema, head, VAULT_NAME);
  const access = { id: vaultId, store, keys: createKeyRing(store, vaultId, rootKeys, renew) };
  return asVault(access, { name, created: Number(createdUnixMillis), slotId, fingerprint: own });
};

const asVault = (access: VaultAccess, about: Pick<Vault, 'name' | 'created' | 'slotId' | 'fingerprint'>): Vault => ({
  ...access,
  ...about,
  machines: () => listMachines(access),
  close: async () => {
    access.keys.clear();
    await access.store.close();
  },
});

const vaultExists = (store: ObjectStore, cause?: unknown): HoldfastError =>
  new HoldfastError('VAULT_EXISTS', {
    thing: store.url,
    why: 'there is a vault already',
    remedy: 'open it, or choose another place',
    cause,
  });
