import { ContainerSASPermissions, generateBlobSASQueryParameters, StorageSharedKeyCredential } from '@azure/storage-blob';
import type { Azurite } from './azurite.ts';

/**
 * A SAS for one container with exactly these rights, by the letters of the service: r read, c create, w write (overwrites too), d delete, l list.
 * Valid for an hour unless told.
 */
export const signSas = (
  { account, key }: Pick<Azurite, 'account' | 'key'>,
  containerName: string,
  rights: string,
  expiresOn = new Date(Date.now() + 3_600_000),
): string =>
  generateBlobSASQueryParameters(
    {
      containerName,
      permissions: ContainerSASPermissions.parse(rights),
      // Well before now: the clocks of two machines differ.
      startsOn: new Date(expiresOn.getTime() - 7_200_000),
      expiresOn,
    },
    new StorageSharedKeyCredential(account, key),
  ).toString();
