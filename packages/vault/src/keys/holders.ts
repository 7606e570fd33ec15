import { create } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import { type Holder, HolderSchema, idBytes, idText } from '@holdfast/protocol';
import { type Clock, systemClock } from '../clock.ts';
import type { Finding } from '../finding.ts';
import { keySlotName } from '../object-names.ts';
import { ifPresent } from '../read-object.ts';
import { type StoredSlot, storedSlots } from '../stored-slots.ts';
import type { Vault } from '../vault.ts';
import { type HoldersVersion, newestHolders, newestRoot, publishHolders } from './holders-object.ts';
import { createKeySlot, describeKeySlot, KEY_SLOT_LIMIT, type KeySlotSummary, type RootKey } from './key-slot.ts';
import { settleKeys } from './settle-keys.ts';
import type { VaultKey } from './vault-key.ts';

/** A key that opens a vault, as the vault knows it. */
export interface VaultHolder extends Partial<KeySlotSummary> {
  /** Id of its key slot, 32 hexadecimal digits. */
  readonly id: string;
  /** For people; empty when nobody gave one. */
  readonly label: string;
  /** Milliseconds since 1970: when it was added, by the clock of who did it or of the store. */
  readonly added: number;
  /** It is the one the vault was opened with. */
  readonly own: boolean;
  /**
   * `missing`: the vault lists it and its slot is gone, so that only a recovery kit still opens the vault for it. `unlisted`: its slot opens the vault,
   * and whoever added it did not come to list it. `void`: what is left of a holder that was removed, or of a root key that was replaced.
   */
  readonly state: 'holder' | 'missing' | 'unlisted' | 'void';
  readonly damage?: Finding;
}

/** Everybody who can open the vault, and what is left of others. Errors: VAULT_KEY_WRONG when the vault was given a new root key meanwhile. */
export const listHolders = async (vault: Vault): Promise<VaultHolder[]> => {
  const [newest, slots] = [await newestHolders(vault), await storedSlots(vault)];
  const listed = newest?.record.holders ?? adopt(slots);
  const removed = removedIn(newest);
  const holders = listed.map((holder): VaultHolder => {
    const id = idText(holder.slotId);
    const slot = slots.find((stored) => stored.id === id);
    return {
      ...describe(vault, slot, id),
      label: holder.label,
      added: Number(holder.addedUnixMillis),
      state: slot === undefined ? 'missing' : 'holder',
    };
  });
  for (const slot of slots) {
    if (holders.some(({ id }) => id === slot.id)) continue;
    const isVoid = removed.has(slot.id) || (slot.summary?.generation ?? 0) !== vault.keys.rootGeneration;
    holders.push({ ...describe(vault, slot, slot.id), label: '', added: slot.created, state: isVoid ? 'void' : 'unlisted' });
  }
  return holders;
};

const describe = (vault: Vault, slot: StoredSlot | undefined, id: string) => ({
  id,
  own: id === vault.slotId,
  ...slot?.summary,
  ...(slot?.damage !== undefined && { damage: slot.damage }),
});

/** A copy of a key slot, for a recovery kit. Errors: KEY_NOT_FOUND, those of the store. */
export const copyKeySlot = async (vault: Vault, id: string): Promise<Uint8Array> => {
  const slot = await ifPresent(vault.store.read(keySlotName(id), { offset: 0, length: KEY_SLOT_LIMIT + 1 }));
  if (slot === undefined) throw notFound(vault, id);
  describeKeySlot(vault.id, Buffer.from(slot), keySlotName(id));
  return slot;
};

export interface AddedHolder {
  readonly id: string;
  /** A copy of its key slot, for a recovery kit. */
  readonly slot: Uint8Array;
}

export interface HolderOptions {
  /** For people: whose key it is. At most 100 characters. */
  readonly label?: string;
  readonly clock?: Clock;
}

/**
 * Lets one more key open the vault. The slot comes first: killed in between, the key opens the vault and is `unlisted`. Errors: SETTING_INVALID,
 * VAULT_KEY_WRONG (the own key was taken back, or the vault rekeyed, meanwhile), those of the store and of a key service.
 */
export const addHolder = async (
  vault: Vault,
  key: VaultKey,
  { label = '', clock = systemClock }: HolderOptions = {},
): Promise<AddedHolder> => {
  checkLabel(label);
  const root = await newestRoot(vault);
  const slot = await createKeySlot(vault.id, root, key);
  await vault.store.create(keySlotName(slot.id), slot.bytes);
  await changeHolders(vault, root, clock, ({ holders, removed }) => ({
    // Its slot may have been taken for that of an unknown holder meanwhile.
    holders: [...holders.filter(({ slotId }) => idText(slotId) !== slot.id), holderOf(slot.id, label, clock.now())],
    removed,
  }));
  await settleKeys(vault, clock);
  return { id: slot.id, slot: slot.bytes };
};

/**
 * Takes a key back: nobody opens the vault by it any more, and its slot is deleted. Who knew the root key, or has a copy of the slot and its key, can
 * still read: see `rekeyVault`. The own key stays, so that one that is known to open the vault is always left. Errors: KEY_NOT_FOUND, VAULT_LAST_HOLDER,
 * SETTING_INVALID (the own key), VAULT_KEY_WRONG, NO_PERMISSION (the slot may not be deleted; the holder is removed nevertheless).
 */
export const removeHolder = async (vault: Vault, id: string, { clock = systemClock }: Pick<HolderOptions, 'clock'> = {}): Promise<void> => {
  const slots = await storedSlots(vault);
  await changeHolders(vault, await newestRoot(vault), clock, ({ holders, removed }) => {
    const isListed = holders.some(({ slotId }) => idText(slotId) === id);
    if (!isListed && !removed.has(id) && !slots.some((slot) => slot.id === id)) throw notFound(vault, id);
    const left = holders.filter(({ slotId }) => idText(slotId) !== id);
    if (id === vault.slotId) throw left.length === 0 ? lastHolder(vault, id) : ownKey(id);
    // Before any change was made a slot may have been left out that is damaged, or of a kind that only newer programs know.
    if (!left.some(({ slotId }) => idText(slotId) === vault.slotId)) left.push(holderOf(vault.slotId, '', clock.now()));
    return { holders: left, removed: new Set([...removed, id]) };
  });
  await settleKeys(vault, clock);
};

interface Holders {
  readonly holders: readonly Holder[];
  /** Ids of slots. */
  readonly removed: ReadonlySet<string>;
}

/** Publishes a change; thought again when somebody else published one meanwhile. */
const changeHolders = async (vault: Vault, root: RootKey, clock: Clock, change: (before: Holders) => Holders): Promise<void> => {
  for (;;) {
    const before = await newestHolders(vault);
    assertStillHolder(vault, root.generation, before);
    const { holders, removed } = change({
      holders: before?.record.holders ?? adopt(await storedSlots(vault)),
      removed: removedIn(before),
    });
    const content = contentOf({ holders, removed }, before, clock);
    if ((await publishHolders(vault, before, root, content)) !== undefined) return;
  }
};

/** What the next version of the holders says, under the same root key as the one before. */
const contentOf = ({ holders, removed }: Holders, before: HoldersVersion | undefined, clock: Clock) => ({
  changedUnixMillis: BigInt(clock.now()),
  holders: [...holders],
  removedSlotIds: [...removed].map(idBytes),
  earlierRootKeys: before?.record.earlierRootKeys ?? [],
});

/** Errors: VAULT_KEY_WRONG when somebody took the own key back, or gave the vault another root key, since it was opened. */
export const assertStillHolder = (vault: Vault, generation: number, newest: HoldersVersion | undefined): void => {
  const isReplaced = newest !== undefined && newest.generation !== generation;
  if (!isReplaced && !removedIn(newest).has(vault.slotId)) return;
  throw new HoldfastError('VAULT_KEY_WRONG', {
    thing: `vault ${vault.store.url}`,
    why: isReplaced ? 'it was given another root key meanwhile' : 'the key it was opened with was taken back meanwhile',
    remedy: 'open it with the key of somebody who holds it now',
  });
};

export const removedIn = (newest: HoldersVersion | undefined): Set<string> => new Set(newest?.record.removedSlotIds.map(idText));

export const holderOf = (slotId: string, label: string, added: number): Holder =>
  create(HolderSchema, { slotId: idBytes(slotId), label, addedUnixMillis: BigInt(added) });

/** Nobody ever changed the holders: then all slots that are whole are theirs, but those of a root key that was never given. */
const adopt = (slots: readonly StoredSlot[]): Holder[] =>
  slots.filter(({ summary }) => summary?.generation === 1).map(({ id, created }) => holderOf(id, '', created));

export const checkLabel = (label: string): void => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what would confuse a terminal is what is looked for
  if (label.length <= 100 && !/[\u0000-\u001f\u007f]/.test(label)) return;
  throw new HoldfastError('SETTING_INVALID', {
    thing: 'label of the holder',
    why: 'it is longer than 100 characters or has control characters',
    remedy: 'give a short one',
  });
};

const notFound = (vault: Vault, id: string): HoldfastError =>
  new HoldfastError('KEY_NOT_FOUND', {
    thing: `holder ${id}`,
    why: `vault ${vault.store.url} has none of this id`,
    remedy: 'list the holders of the vault',
  });

const lastHolder = (vault: Vault, id: string): HoldfastError =>
  new HoldfastError('VAULT_LAST_HOLDER', {
    thing: `holder ${id}`,
    why: `without it nobody could ever open vault ${vault.store.url} again`,
    remedy: 'add another holder first',
  });

const ownKey = (id: string): HoldfastError =>
  new HoldfastError('SETTING_INVALID', {
    thing: `holder ${id}`,
    why: 'the vault was opened with this key, the only one that is proven to open it',
    remedy: 'open the vault with the key of another holder to remove this one',
  });
