import type { ScryptCost } from './scrypt-cost.ts';

/** What a person or program opens a vault with. */
export type VaultKey =
  | { readonly kind: 'passphrase'; readonly passphrase: string; readonly cost?: ScryptCost }
  | { readonly kind: 'key-file'; readonly secret: Uint8Array }
  | { readonly kind: 'key-vault'; readonly key: RemoteKey };

/**
 * A key that never leaves the service that holds it, such as Azure Key Vault. Whoever may ask the service to unwrap is a holder of the vault. Errors:
 * NO_PERMISSION, RESOURCE_NOT_FOUND, KEY_SERVICE_UNAVAILABLE, in the words of the service.
 */
export interface RemoteKey {
  /** Names the key, whichever of its versions is in use. Only slots that say the same are sent to the service. */
  readonly id: string;
  /** Encrypts a secret of 32 bytes under the newest version of the key. */
  wrap(secret: Uint8Array): Promise<{ readonly version: string; readonly wrapped: Uint8Array }>;
  /** Errors also: DAMAGED when it is nothing that this key wrapped. */
  unwrap(version: string, wrapped: Uint8Array): Promise<Uint8Array>;
}
