import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { type KeeperKey, keeperKeyOf, readKeyFile, type Vault, writeKeyFile } from '@holdfast/vault';
import { Option } from 'commander';
import type { KeyOptions } from './vault-key.ts';

export interface KeeperKeyOptions extends KeyOptions {
  readonly keeperKey?: string;
}

export const keeperKeyOption = (): Option =>
  new Option('--keeper-key <file>', 'key that the keepers of the vault share, and nobody else has; made where there is none');

/** The key of the vault's keepers, if one was named. Errors: SETTING_INVALID where it is the vault's own, those of a key file. */
export const readKeeperKey = async ({ id }: Vault, { keeperKey, keyFile }: KeeperKeyOptions): Promise<KeeperKey | undefined> => {
  if (keeperKey === undefined) return undefined;
  const key = await readKeyFile(keeperKey).catch((reason: unknown) => {
    if (!isHoldfastError(reason, 'OBJECT_NOT_FOUND')) throw reason;
    return writeKeyFile(keeperKey);
  });
  const opening = keyFile === undefined ? undefined : await readKeyFile(keyFile).catch(() => undefined);
  const secretOf = (one: typeof opening): string | undefined =>
    one?.kind === 'key-file' ? Buffer.from(one.secret).toString('hex') : undefined;
  if (key.kind !== 'key-file' || secretOf(opening) === secretOf(key))
    throw new HoldfastError('SETTING_INVALID', {
      thing: keeperKey,
      why: 'it is the key that opens the vault: whoever writes to the vault may have it',
      remedy: 'name a file of its own; where there is none it is made',
    });
  return keeperKeyOf(key.secret, id);
};
