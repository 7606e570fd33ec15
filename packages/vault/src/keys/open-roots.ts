import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';
import { idText, isId } from '@holdfast/protocol';
import { damaged } from '../damage.ts';
import { HEADER_SIZE, NO_MACHINE, OBJECT_KIND, readHeader } from '../object-header.ts';
import { holdersName, KEY_SLOTS, VAULT_NAME } from '../object-names.ts';
import { readHead } from '../read-object.ts';
import type { ObjectHead } from '../sealed-object.ts';
import { type HoldersVersion, highestHolders, readHolders } from './holders-object.ts';
import { createKeyRing, type RootKeys } from './key-ring.ts';
import { KEY_SLOT_LIMIT, openKeySlot, type RootKey, slotIdOf } from './key-slot.ts';
import type { VaultKey } from './vault-key.ts';

export interface OpenedRoots {
  readonly rootKeys: RootKeys;
  /** The slot that the key opened. */
  readonly slotId: string;
  /** Of the object `vault`, which proves that these are its keys. */
  readonly head: ObjectHead;
}

export interface OpenRootsOptions {
  /** Copies of key slots kept elsewhere, such as on a recovery kit: used when the store has lost them. */
  readonly slots?: readonly Uint8Array[];
}

/**
 * From a key to the root keys: through the first key slot that it opens, that the holders' newest version does not take back, and whose root key opens
 * the vault. A damaged slot only counts when no other opens. Errors: VAULT_KEY_WRONG, DAMAGED, those of the store and of a key service.
 */
export const openRoots = async (
  store: ObjectStore,
  vaultId: string,
  key: VaultKey,
  { slots: kept = [] }: OpenRootsOptions = {},
): Promise<OpenedRoots> => {
  const holders = await findHolders(store);
  /** What kept a slot from being enough: of one that the key opened, and of others. */
  let flaw: unknown;
  let damage: unknown;
  let intact = 0;
  const note = (reason: unknown): void => {
    if (!isHoldfastError(reason, 'DAMAGED') && !isHoldfastError(reason, 'VAULT_VERSION_UNSUPPORTED')) throw reason;
    damage = reason;
  };
  for await (const { name, bytes } of slotsOf(store, kept, note)) {
    try {
      const root = await openKeySlot(vaultId, bytes, key, name);
      if (root === undefined) intact += 1;
      else return { ...(await proveRoot(store, vaultId, root, holders, slotIdOf(bytes))), slotId: slotIdOf(bytes) };
    } catch (reason) {
      if (!(reason instanceof UselessSlot)) note(reason);
      else flaw = reason.cause;
    }
  }
  if (flaw !== undefined) throw flaw;
  if (intact === 0 && damage !== undefined) throw damage;
  if (intact === 0) throw damaged(`${store.url}/${KEY_SLOTS}`, 'the vault has no key slot');
  throw new HoldfastError('VAULT_KEY_WRONG', {
    thing: store.url,
    why: `the ${KIND_WORDS[key.kind]} does not open it${damage === undefined ? '' : ', and another key slot is damaged'}`,
    remedy: 'use a key of this vault; without one it cannot be read by anybody',
    cause: damage,
  });
};

const KIND_WORDS = { passphrase: 'passphrase', 'key-file': 'key file', 'key-vault': 'key in the key vault' } as const;

/** Damaged versions that are stepped over. */
const STEPS_BACK = 8;

/** The key opened a slot, and that was not enough: the cause says why. */
class UselessSlot extends Error {}

/** What may be a key slot: of the store first, then those at hand. */
async function* slotsOf(
  store: ObjectStore,
  kept: readonly Uint8Array[],
  onDamage: (reason: unknown) => void,
): AsyncGenerator<{ name: string; bytes: Buffer }> {
  const seen = new Set<string>();
  for await (const { name } of store.list(KEY_SLOTS)) {
    const id = name.slice(KEY_SLOTS.length);
    if (!isId(id)) continue;
    // One byte more than a slot has at most, to see that there are more.
    const bytes = Buffer.from(await store.read(name, { offset: 0, length: KEY_SLOT_LIMIT + 1 }));
    if (bytes.length >= 48 && slotIdOf(bytes) !== id) onDamage(damaged(name, 'it is another slot than its name says'));
    else {
      seen.add(bytes.toString('latin1'));
      yield { name, bytes };
    }
  }
  for (const slot of kept) {
    const bytes = Buffer.from(slot);
    if (!seen.has(bytes.toString('latin1'))) yield { name: 'key slot of the recovery kit', bytes };
  }
}

interface FoundHolders {
  /** As its header says, which nobody can vouch for without the key. */
  readonly generation: number;
  /** 0 when there is none. */
  readonly version: number;
  readonly damage: unknown;
}

/** Looks which root key is in force: the newest version whose header can be read tells. */
const findHolders = async (store: ObjectStore): Promise<FoundHolders> => {
  let damage: unknown;
  for (let version = await highestHolders(store); version > 0; version -= 1) {
    const name = holdersName(version);
    try {
      const { rootGeneration = 1 } = readHeader(Buffer.from(await store.read(name, { offset: 0, length: HEADER_SIZE })), name);
      return { generation: rootGeneration, version, damage };
    } catch (reason) {
      if (!isHoldfastError(reason, 'DAMAGED')) throw reason;
      damage ??= reason;
    }
  }
  return { generation: 1, version: 0, damage };
};

/** Errors: UselessSlot. */
const proveRoot = async (
  store: ObjectStore,
  vaultId: string,
  root: RootKey,
  holders: FoundHolders,
  slotId: string,
): Promise<Omit<OpenedRoots, 'slotId'>> => {
  if (root.generation !== holders.generation) throw replaced(store, root, holders);
  try {
    const newest = await readNewest(store, vaultId, root, holders);
    if (newest?.record.removedSlotIds.some((id) => idText(id) === slotId)) throw takenBack(store, slotId);
    if (newest === undefined && root.generation > 1)
      throw holders.damage ?? damaged(holdersName(holders.version), 'no whole one under this root key is left');
    const rootKeys = [...(newest?.record.earlierRootKeys ?? []), root.key];
    const head = await readHead({ id: vaultId, store, keys: createKeyRing(store, vaultId, rootKeys) }, VAULT_NAME, {
      kind: OBJECT_KIND.vault,
      machineId: NO_MACHINE,
      number: 0,
    });
    return { rootKeys, head };
  } catch (cause) {
    const isFlaw = ['DAMAGED', 'VAULT_VERSION_UNSUPPORTED', 'VAULT_KEY_WRONG'] as const;
    throw isFlaw.some((code) => isHoldfastError(cause, code)) ? new UselessSlot('the slot is not enough', { cause }) : cause;
  }
};

/** The newest version that is whole, among those under this root key. */
const readNewest = async (
  store: ObjectStore,
  vaultId: string,
  { generation, key }: RootKey,
  { version: newest }: FoundHolders,
): Promise<HoldersVersion | undefined> => {
  // Nobody has the keys before it yet: they are told by what is read here.
  const unknown = Array.from({ length: generation - 1 }, () => new Uint8Array(0));
  const keys = createKeyRing(store, vaultId, [...unknown, key]);
  for (let version = newest; version > Math.max(0, newest - STEPS_BACK); version -= 1) {
    try {
      const holders = await readHolders({ id: vaultId, store, keys }, version);
      if (holders.generation === generation) return holders;
    } catch (reason) {
      if (!isHoldfastError(reason, 'DAMAGED')) throw reason;
    }
  }
  return undefined;
};

const replaced = (store: ObjectStore, root: RootKey, { generation, version }: FoundHolders): UselessSlot =>
  new UselessSlot('another root key is in force', {
    cause: new HoldfastError('VAULT_KEY_WRONG', {
      thing: store.url,
      why:
        root.generation < generation
          ? `the vault was given root key ${generation} (${holdersName(version)}), and this key opens root key ${root.generation}, which was replaced`
          : `this key is for root key ${root.generation}, which the vault was never given: whoever began that did not finish`,
      remedy: 'use a key of somebody who holds the vault now',
    }),
  });

const takenBack = (store: ObjectStore, slotId: string): HoldfastError =>
  new HoldfastError('VAULT_KEY_WRONG', {
    thing: store.url,
    why: `key ${slotId} was taken back: its holder was removed`,
    remedy: 'use the key of another holder',
  });
