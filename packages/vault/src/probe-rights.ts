import { isHoldfastError } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';
import { VAULT_NAME } from './object-names.ts';

/**
 * Finds out whether objects can be read and created, and leaves nothing behind: an object that is there is created once more, with the same
 * bytes, which every store refuses with OBJECT_EXISTS to those who may create. Errors: NO_PERMISSION, those of the store.
 */
export const probeRights = async (store: ObjectStore): Promise<void> => {
  const content = await store.read(VAULT_NAME);
  try {
    await store.create(VAULT_NAME, content);
  } catch (reason) {
    if (!isHoldfastError(reason, 'OBJECT_EXISTS')) throw reason;
  }
};
