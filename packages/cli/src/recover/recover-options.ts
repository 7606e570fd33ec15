import type { ImageFormat } from '@holdfast/disk-image';
import type { VaultOptions } from '../vault/with-vault.ts';

export interface RecoverOptions extends VaultOptions {
  readonly machine?: string;
  readonly point?: string;
  readonly serve?: string;
  readonly overlay?: string;
  readonly cache?: string;
  readonly cacheSize?: number;
  readonly export?: string;
  readonly format: ImageFormat;
  readonly force?: true;
}
