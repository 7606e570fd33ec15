import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ObjectStore } from '@holdfast/object-store';
import { VAULT_NAME } from '@holdfast/vault';

/** Where settings say a vault is, without what might be a secret. */
export const locationOf = (url: string): string => {
  if (url.startsWith('file:'))
    try {
      return `file:${fileURLToPath(new URL(url)).replace(/(?<=.)\/+$/, '')}`;
    } catch {
      return url;
    }
  const [place = url] = url.split(/[?#]/);
  return place.replace(/\/\/[^/@]*@/, '//').replace(/\/+$/, '');
};

/**
 * Tells this place of a vault from a copy of it elsewhere: by when the first object was created there, and by its address; of a folder, which may be mounted
 * anywhere, by the file itself. Errors as of `stat`.
 */
export const placeOf = async (url: string, store: ObjectStore): Promise<string> => {
  const location = locationOf(url);
  const { created } = await store.stat(VAULT_NAME);
  const own = location.startsWith('file:') ? (await stat(path.join(location.slice('file:'.length), VAULT_NAME))).ino : location;
  return createHash('sha256').update(`${own}:${created}`).digest('hex').slice(0, 32);
};
