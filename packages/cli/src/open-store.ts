import { createAzureStore, credentialFromEnvironment, type ObjectStore, openStore, withRetry } from '@holdfast/object-store';

/** Opens the store a URL names. The credential of an Azure container comes from the environment. Errors: SETTING_INVALID, NO_PERMISSION. */
export const openStoreByUrl = async (url: string, environment: Readonly<Record<string, string | undefined>>): Promise<ObjectStore> =>
  url.startsWith('azure:') ? withRetry(createAzureStore({ url, credential: credentialFromEnvironment(environment) })) : openStore(url);
