import { randomBytes } from 'node:crypto';
import { HoldfastError } from '@holdfast/errors';
import { idBytes } from '@holdfast/protocol';
import { type Clock, systemClock } from '../clock.ts';
import { damaged } from '../damage.ts';
import { keySlotName } from '../object-names.ts';
import { storedSlots } from '../stored-slots.ts';
import type { Vault } from '../vault.ts';
import { type AddedHolder, assertStillHolder, checkLabel, holderOf, removedIn } from './holders.ts';
import { newestHolders, publishHolders } from './holders-object.ts';
import { KEY_SIZE } from './key-ring.ts';
import { createKeySlot, type KeySlot, openKeySlot } from './key-slot.ts';
import { settleKeys } from './settle-keys.ts';
import type { VaultKey } from './vault-key.ts';

/** A key that shall open the vault, and whose it is. */
export interface NewHolder {
  readonly key: VaultKey;
  readonly label?: string;
}

/**
 * Gives the vault a new root key that only these holders have, after a key may have become known: every older key opens nothing any more, and every
 * machine gets a new data key, so that who has the old root key cannot read what is written from now on. What was written before stays as it is, under
 * keys that he may know. `vault` goes on with the new root key.
 *
 * The one object that makes it true is the next version of the holders; killed before, nothing changed; killed behind it, the next change of keys
 * finishes. Errors: SETTING_INVALID, VAULT_KEY_WRONG (somebody else rekeyed meanwhile), those of the store and of a key service.
 */
export const rekeyVault = async (
  vault: Vault,
  newHolders: readonly NewHolder[],
  { clock = systemClock }: { readonly clock?: Clock } = {},
): Promise<AddedHolder[]> => {
  if (newHolders.length === 0)
    throw new HoldfastError('SETTING_INVALID', {
      thing: `vault ${vault.store.url}`,
      why: 'nobody could ever open it',
      remedy: 'name the key of at least one holder',
    });
  for (const { label = '' } of newHolders) checkLabel(label);
  const before = vault.keys.rootGeneration;
  const generation = before + 1;
  const root = { generation, key: randomBytes(KEY_SIZE) };
  const earlier = await Promise.all(Array.from({ length: before }, (_, index) => vault.keys.rootKey(index + 1).then((key) => key!)));
  const slots: KeySlot[] = [];
  // Slots first: a root key that is in force can be had. Without the version below they open nothing.
  for (const { key } of newHolders) {
    const slot = await createKeySlot(vault.id, root, key);
    // Tried before it counts: who may only wrap would shut himself out, and perhaps everybody.
    if ((await openKeySlot(vault.id, slot.bytes, key, keySlotName(slot.id))) === undefined)
      throw damaged(keySlotName(slot.id), 'its own key does not open it');
    await vault.store.create(keySlotName(slot.id), slot.bytes);
    slots.push(slot);
  }
  for (;;) {
    const newest = await newestHolders(vault);
    assertStillHolder(vault, before, newest);
    const ours = new Set(slots.map(({ id }) => id));
    const others = (await storedSlots(vault)).filter(({ id }) => !ours.has(id));
    const published = await publishHolders(vault, newest, root, {
      changedUnixMillis: BigInt(clock.now()),
      holders: slots.map(({ id }, index) => holderOf(id, newHolders[index]!.label ?? '', clock.now())),
      removedSlotIds: [...new Set([...removedIn(newest), ...others.map(({ id }) => id)])].map(idBytes),
      earlierRootKeys: earlier,
    });
    if (published !== undefined) break;
  }
  vault.keys.adopt([...earlier, root.key]);
  await settleKeys(vault, clock);
  return slots.map(({ id, bytes }) => ({ id, slot: bytes }));
};
