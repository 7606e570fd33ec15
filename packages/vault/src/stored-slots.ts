import { isHoldfastError } from '@holdfast/errors';
import { isId } from '@holdfast/protocol';
import { type Finding, findingOf } from './finding.ts';
import { describeKeySlot, KEY_SLOT_LIMIT, type KeySlotSummary } from './keys/key-slot.ts';
import { KEY_SLOTS } from './object-names.ts';
import type { VaultAccess } from './vault-access.ts';

/** A key slot as anybody sees it: no secret is in it. */
export interface StoredSlot {
  readonly id: string;
  /** Milliseconds since 1970 by the clock of the store. */
  readonly created: number;
  /** Absent when it is damaged, or for a kind of key that this program does not know. */
  readonly summary?: KeySlotSummary;
  readonly damage?: Finding;
}

/** The key slots in the store, by id. Errors: those of the store. */
export const storedSlots = async ({ id: vaultId, store }: VaultAccess): Promise<StoredSlot[]> => {
  const slots: StoredSlot[] = [];
  for await (const { name, created } of store.list(KEY_SLOTS)) {
    const id = name.slice(KEY_SLOTS.length);
    if (!isId(id)) continue;
    try {
      const bytes = Buffer.from(await store.read(name, { offset: 0, length: KEY_SLOT_LIMIT + 1 }));
      slots.push({ id, created, summary: describeKeySlot(vaultId, bytes, name) });
    } catch (reason) {
      // Deleted since it was listed.
      if (isHoldfastError(reason, 'OBJECT_NOT_FOUND')) continue;
      const damage = findingOf(reason, name);
      if (damage === undefined) throw reason;
      slots.push({ id, created, damage });
    }
  }
  return slots;
};
