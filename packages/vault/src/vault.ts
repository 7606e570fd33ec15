import { randomBytes } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';
import { isId, newId, VaultRecordSchema } from '@holdfast/protocol';
import { damaged } from './damage.ts';
import { createKeyRing, KEY_SIZE } from './key-ring.ts';
import { createKeySlot, KEY_SLOT_SIZE, openKeySlot, type VaultKey } from './key-slot.ts';
import { listMachines, type MachineSummary } from './machine.ts';
import { HEADER_SIZE, NO_MACHINE, OBJECT_KIND, readHeader } from './object-header.ts';
import { KEY_SLOTS, keySlotName, VAULT_NAME } from './object-names.ts';
import { decodeRecords, ifPresent, readHead } from './read-object.ts';
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
  for (const key of keys) {
    const slot = await createKeySlot(id, rootKey, key);
    await store.create(keySlotName(slot.id), slot.bytes);
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
  return asVault({ id, store, keys: createKeyRing(store, id, rootKey) }, name, created);
};

/** Opens a vault. Errors: VAULT_NOT_FOUND, VAULT_VERSION_UNSUPPORTED, VAULT_KEY_WRONG, DAMAGED. */
export const openVault = async (store: ObjectStore, key: VaultKey): Promise<Vault> => {
  const beginning = await ifPresent(store.read(VAULT_NAME, { offset: 0, length: HEADER_SIZE }));
  if (beginning === undefined)
    throw new HoldfastError('VAULT_NOT_FOUND', {
      thing: store.url,
      why: 'there is no vault',
      remedy: 'check the address, or create a vault there',
    });
  const { vaultId } = readHeader(Buffer.from(beginning), VAULT_NAME);
  const access = { id: vaultId, store, keys: createKeyRing(store, vaultId, await unwrapRootKey(store, vaultId, key)) };
  const head = await readHead(access, VAULT_NAME, { kind: OBJECT_KIND.vault, machineId: NO_MACHINE, number: 0 });
  const { name, createdUnixMillis } = decodeRecords(VaultRecordSchema, head, VAULT_NAME);
  return asVault(access, name, Number(createdUnixMillis));
};

const asVault = (access: VaultAccess, name: string, created: number): Vault => ({
  ...access,
  name,
  created,
  machines: () => listMachines(access),
  close: async () => {
    access.keys.clear();
    await access.store.close();
  },
});

/** Tries every slot; a damaged one only counts when no other is whole. */
const unwrapRootKey = async (store: ObjectStore, vaultId: string, key: VaultKey): Promise<Buffer> => {
  let damage: unknown;
  let intact = 0;
  for await (const { name } of store.list(KEY_SLOTS)) {
    if (!isId(name.slice(KEY_SLOTS.length))) continue;
    try {
      // One byte more than a slot has, to see that there are more.
      const slot = await store.read(name, { offset: 0, length: KEY_SLOT_SIZE + 1 });
      const rootKey = await openKeySlot(vaultId, Buffer.from(slot), key, name);
      if (rootKey !== undefined) return rootKey;
      intact += 1;
    } catch (reason) {
      if (!isHoldfastError(reason, 'DAMAGED') && !isHoldfastError(reason, 'VAULT_VERSION_UNSUPPORTED')) throw reason;
      damage = reason;
    }
  }
  if (intact === 0 && damage !== undefined) throw damage;
  if (intact === 0) throw damaged(`${store.url}/${KEY_SLOTS}`, 'the vault has no key slot');
  throw new HoldfastError('VAULT_KEY_WRONG', {
    thing: store.url,
    why: `the ${key.kind === 'passphrase' ? 'passphrase' : 'key file'} does not open it${damage === undefined ? '' : ', and another key slot is damaged'}`,
    remedy: 'use a key of this vault; without one it cannot be read by anybody',
    cause: damage,
  });
};

const vaultExists = (store: ObjectStore, cause?: unknown): HoldfastError =>
  new HoldfastError('VAULT_EXISTS', {
    thing: store.url,
    why: 'there is a vault already',
    remedy: 'open it, or choose another place',
    cause,
  });
