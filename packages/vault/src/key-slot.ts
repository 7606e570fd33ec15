/** Cost of turning a passphrase into a key (RFC 7914): memory is 128 × 2^logN × r bytes. */
export interface ScryptCost {
  readonly logN: number;
  readonly r: number;
  readonly p: number;
}

/** What a person or program opens a vault with. */
export type VaultKey =
  | { readonly kind: 'passphrase'; readonly passphrase: string; readonly cost?: ScryptCost }
  | { readonly kind: 'key-file'; readonly secret: Uint8Array };
