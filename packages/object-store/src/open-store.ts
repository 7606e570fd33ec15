import { fileURLToPath } from 'node:url';
import { HoldfastError } from '@holdfast/errors';
import { createFolderStore } from './folder-store.ts';
import { createMemoryStore } from './memory-store.ts';
import type { ObjectStore } from './object-store.ts';

/** Opens the store a URL names: `file:/srv/vault` (or `file:///srv/vault`), `memory:`. Errors: SETTING_INVALID, NO_PERMISSION. */
export const openStore = async (url: string): Promise<ObjectStore> => {
  if (url === 'memory:') return createMemoryStore();
  if (url.startsWith('file:')) return createFolderStore(folderOf(url));
  throw invalid(url, 'no kind of store begins like that');
};

const folderOf = (url: string): string => {
  if (!url.startsWith('file:/')) throw invalid(url, 'the folder must be an absolute path');
  try {
    return fileURLToPath(new URL(url));
  } catch (cause) {
    throw invalid(url, 'it is not a URL of a local folder', cause);
  }
};

const invalid = (url: string, why: string, cause?: unknown): HoldfastError =>
  new HoldfastError('SETTING_INVALID', { thing: `store ${url}`, why, remedy: 'give a URL like file:/srv/vault', cause });
