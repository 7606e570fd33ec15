import { HoldfastError } from '@holdfast/errors';
import { type KeeperKey, keeperKeyOf } from './keeper-key.ts';
import { readKeyFile } from './keys/key-file.ts';

/** What a key file holds that can be read; one that cannot opens nothing here. */
const secretIn = async (path: string): Promise<string | undefined> => {
  const key = await readKeyFile(path).catch(() => undefined);
  return key?.kind === 'key-file' ? Buffer.from(key.secret).toString('hex') : undefined;
};

/**
 * The key of the keepers of a vault out of its file. `opening`: the files of keys that open vaults. Errors: SETTING_INVALID where it is one of these, whatever the
 * file is called; those of a key file.
 */
export const readKeeperKey = async (path: string, vaultId: string, opening: readonly string[]): Promise<KeeperKey> => {
  const key = await readKeyFile(path);
  const others = await Promise.all(opening.map(secretIn));
  if (key.kind !== 'key-file' || others.includes(Buffer.from(key.secret).toString('hex')))
    throw new HoldfastError('SETTING_INVALID', {
      thing: path,
      why: 'it is the key that opens the vault: whoever writes to the vault may have it',
      remedy: 'name a file of its own; where there is none `holdfast vault keep --keeper-key` makes it',
    });
  return keeperKeyOf(key.secret, vaultId);
};
