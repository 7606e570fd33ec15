import { isHoldfastError } from '@holdfast/errors';
import { type KeeperKey, readKeeperKey, type Vault, writeKeyFile } from '@holdfast/vault';
import { Option } from 'commander';
import type { KeyOptions } from './vault-key.ts';

export interface KeeperKeyOptions extends KeyOptions {
  readonly keeperKey?: string;
}

export const keeperKeyOption = (): Option =>
  new Option('--keeper-key <file>', 'key that the keepers of the vault share, and nobody else has; made where there is none');

/** The key of the vault's keepers, if one was named. Errors: SETTING_INVALID where it is the vault's own, those of a key file. */
export const keeperKeyFor = async ({ id }: Vault, { keeperKey, keyFile }: KeeperKeyOptions): Promise<KeeperKey | undefined> => {
  if (keeperKey === undefined) return undefined;
  const read = (): Promise<KeeperKey> => readKeeperKey(keeperKey, id, keyFile === undefined ? [] : [keyFile]);
  return read().catch(async (reason: unknown) => {
    if (!isHoldfastError(reason, 'OBJECT_NOT_FOUND')) throw reason;
    await writeKeyFile(keeperKey);
    return read();
  });
};
