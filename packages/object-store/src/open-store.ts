import { fileURLToPath } from 'node:url';
import { HoldfastError } from '@holdfast/errors';
import { credentialFromEnvironment } from './azure/azure-credential.ts';
import { type AzureStoreOptions, createAzureStore } from './azure/azure-store.ts';
import { createFolderStore } from './folder-store.ts';
import { createMemoryStore } from './memory-store.ts';
import type { ObjectStore } from './object-store.ts';
import { withRetry } from './retry/with-retry.ts';

/** What a URL does not say. */
export interface OpenStoreOptions {
  /** Of an Azure store; its credential comes from the environment unless told (`credentialFromEnvironment`). */
  readonly azure?: Partial<Omit<AzureStoreOptions, 'url'>>;
  /** The process's own unless told. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/**
 * Opens the store a URL names: `file:/srv/vault` (or `file:///srv/vault`), `memory:`, or with retry around it
 * `azure:https://ACCOUNT.blob.core.windows.net/CONTAINER[/PREFIX]`. Errors: SETTING_INVALID, NO_PERMISSION.
 */
export const openStore = async (url: string, { azure, environment = process.env }: OpenStoreOptions = {}): Promise<ObjectStore> => {
  if (url === 'memory:') return createMemoryStore();
  if (url.startsWith('file:')) return createFolderStore(folderOf(url));
  if (url.startsWith('azure:'))
    return withRetry(createAzureStore({ ...azure, url, credential: azure?.credential ?? credentialFromEnvironment(environment) }));
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
  new HoldfastError('SETTING_INVALID', {
    thing: `store ${url}`,
    why,
    remedy: 'give a URL like file:/srv/vault or azure:https://ACCOUNT.blob.core.windows.net/CONTAINER',
    cause,
  });
