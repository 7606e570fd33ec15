import { HoldfastError } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';
import type { VaultKey } from './key-slot.ts';
import type { MachineSummary } from './machine.ts';

/** An opened vault: a store and the keys to it. */
export interface Vault {
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly store: ObjectStore;
  /** The machines registered in the vault, by id. */
  machines(): Promise<MachineSummary[]>;
  /** Forgets the keys and closes the store. */
  close(): Promise<void>;
}

export interface CreateVaultOptions {
  readonly name: string;
  /** Each of these opens the vault; at least one. */
  readonly keys: readonly VaultKey[];
}

/** Creates a vault in a store. Errors: VAULT_EXISTS. */
export const createVault = async (store: ObjectStore, _options: CreateVaultOptions): Promise<Vault> => notYet(store.url);

/** Opens a vault. Errors: VAULT_NOT_FOUND, VAULT_VERSION_UNSUPPORTED, VAULT_KEY_WRONG, DAMAGED. */
export const openVault = async (store: ObjectStore, _key: VaultKey): Promise<Vault> => notYet(store.url);

export const notYet = (thing: string): never => {
  throw new HoldfastError('UNSUPPORTED_OPERATION', { thing, why: 'it is being built', remedy: 'come back soon' });
};
