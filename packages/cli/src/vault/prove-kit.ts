import { access } from 'node:fs/promises';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { openVault, type VaultKey } from '@holdfast/vault';
import { slotIn } from '../secrets/kit-slot.ts';
import { keyIn } from '../secrets/vault-key.ts';
import type { Surroundings } from '../surroundings.ts';
import { type RecoveryKit, readRecoveryKit, writeRecoveryKit } from './recovery-kit.ts';

/** Where the kit of a vault goes, unless told. */
export const kitFileOf = (name: string, holder?: string): string => {
  const clean = (text: string): string => text.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replace(/^[.-]+/, '');
  return [clean(name) || 'vault', ...(holder === undefined ? [] : [clean(holder)]), 'recovery-kit', 'txt'].join('.');
};

/** Errors: OBJECT_EXISTS. */
export const refuseExisting = async (kitFile: string): Promise<void> => {
  const exists = await access(kitFile).then(
    () => true,
    () => false,
  );
  if (exists)
    throw new HoldfastError('OBJECT_EXISTS', {
      thing: kitFile,
      why: 'it may be another kit',
      remedy: 'name another file with --recovery-kit',
    });
};

/**
 * Writes the kit, then goes the way of somebody who has nothing else: from the file's text to an open vault. Errors: those of opening, with `remedy`.
 */
export const proveKit = async (
  { openStore }: Surroundings,
  path: string,
  kit: RecoveryKit,
  key: VaultKey,
  remedy: string,
): Promise<void> => {
  try {
    await writeRecoveryKit(path, kit);
    const { vaultUrl, vaultId, text } = await readRecoveryKit(path);
    const slot = slotIn(text, path);
    const store = await openStore(vaultUrl);
    try {
      const vault = await openVault(store, 'line' in kit.key ? keyIn(text, path) : key, { ...(slot !== undefined && { slots: [slot] }) });
      vault.keys.clear();
      if (vault.id !== vaultId) throw new Error(`it names vault ${vaultId}, and there is vault ${vault.id}`);
    } finally {
      await store.close();
    }
  } catch (reason) {
    throw new HoldfastError(isHoldfastError(reason) ? reason.code : 'DAMAGED', {
      thing: `recovery kit ${path}`,
      why: `its kit was not proven: ${(reason as Error).message}`,
      remedy,
      cause: reason,
    });
  }
};
