import { readFile } from 'node:fs/promises';
import type { Values } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import {
  type AzureCredential,
  createAzureStore,
  createKeyVaultKey,
  credentialFromEnvironment,
  fileSecret,
  type ObjectStore,
  openStore,
} from '@holdfast/object-store';
import { readKeyFile, type VaultKey } from '@holdfast/vault';
import type { ProcessServerSchema } from '../settings.ts';

export type VaultSettings = Values<ProcessServerSchema>['vaults'][string];

const credentialOf = (settings: VaultSettings): AzureCredential | undefined => {
  const { azureConnectionStringFile, azureSasFile, azureAccountKeyFile, azureClientId } = settings;
  if (azureConnectionStringFile !== undefined) return { kind: 'connection-string', text: fileSecret(azureConnectionStringFile) };
  if (azureSasFile !== undefined) return { kind: 'sas', sas: fileSecret(azureSasFile) };
  if (azureAccountKeyFile !== undefined) return { kind: 'key', key: fileSecret(azureAccountKeyFile) };
  return azureClientId === undefined ? undefined : { kind: 'identity', clientId: azureClientId };
};

/** The key by which this server is a holder of the vault. Errors: SETTING_INVALID, those of a key file. */
export const keyOf = async (
  name: string,
  { keyFile, keyVault, azureClientId, azureCertificateAuthorities }: VaultSettings,
): Promise<VaultKey> => {
  if (keyFile !== undefined && keyVault === undefined) return readKeyFile(keyFile);
  if (keyVault === undefined || keyFile !== undefined)
    throw new HoldfastError('SETTING_INVALID', {
      thing: `vaults.${name}`,
      why: keyVault === undefined ? 'it has neither a key-file nor a key-vault' : 'it has both a key-file and a key-vault',
      remedy: 'give it one of the two',
    });
  const certificateAuthorities = azureCertificateAuthorities && (await readFile(azureCertificateAuthorities, 'utf8'));
  const key = createKeyVaultKey(keyVault, {
    ...(azureClientId !== undefined && { clientId: azureClientId }),
    ...(certificateAuthorities && { certificateAuthorities }),
  });
  return { kind: 'key-vault', key };
};

/** The store without retries, so that it can be seen what each request says. */
export const openBareStore = async (settings: VaultSettings): Promise<ObjectStore> => {
  const { url, azureCertificateAuthorities, azureProxy } = settings;
  if (!url.startsWith('azure:')) return openStore(url);
  return createAzureStore({
    url,
    credential: credentialOf(settings) ?? credentialFromEnvironment(process.env),
    ...(azureCertificateAuthorities && { certificateAuthorities: await readFile(azureCertificateAuthorities, 'utf8') }),
    ...(azureProxy && { proxy: azureProxy }),
  });
};
