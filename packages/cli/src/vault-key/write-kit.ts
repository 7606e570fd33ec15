import { isHoldfastError } from '@holdfast/errors';
import type { Vault, VaultKey } from '@holdfast/vault';
import type { Surroundings } from '../surroundings.ts';
import { kitFileOf, proveKit, refuseExisting } from '../vault/prove-kit.ts';
import type { KitKey } from '../vault/recovery-kit.ts';

interface KitFor {
  readonly url: string;
  readonly holderId: string;
  readonly slot: Uint8Array;
  readonly key: VaultKey;
  readonly source: KitKey;
  /** Unless told by the vault's name and the holder. */
  readonly file: string | undefined;
}

/**
 * Writes the recovery kit of a holder and opens the vault by it. Resolves to its file. Who adds a key in a key vault may have no right to unwrap with it:
 * then the kit is written, and the advice says that it was not tried.
 */
export const writeKit = async (
  surroundings: Surroundings,
  vault: Vault,
  { url, holderId, slot, key, source, file }: KitFor,
): Promise<string> => {
  const kitFile = file ?? kitFileOf(vault.name, holderId.slice(0, 8));
  await refuseExisting(kitFile);
  const kit = {
    vaultUrl: url,
    vaultId: vault.id,
    vaultName: vault.name,
    created: vault.created,
    fingerprint: vault.fingerprint,
    key: source,
    slot,
  };
  const remedy = `the key of holder ${holderId} counts: \`holdfast vault key kit\` with it writes another kit, \`vault key remove\` takes it back`;
  try {
    await proveKit(surroundings, kitFile, kit, key, remedy);
  } catch (reason) {
    if (key.kind !== 'key-vault' || !isHoldfastError(reason, 'NO_PERMISSION')) throw reason;
    surroundings.stderr.write(
      `The kit was not tried, for want of the right to unwrap here: try it where the key is used.\n${reason.message}\n`,
    );
  }
  return kitFile;
};
