import type { VaultKey } from './key-slot.ts';
import { notYet } from './vault.ts';

/** Reads the content of a key file. Errors: DAMAGED when its checksum or form is wrong. */
export const parseKeyFile = (content: string, path = 'key file'): VaultKey => notYet(`${path}${content.length}`);

/** Makes a new key and writes it to a new file only its owner may read. Errors: OBJECT_EXISTS, NO_PERMISSION, NO_SPACE. */
export const writeKeyFile = async (path: string): Promise<VaultKey> => notYet(path);

/** Reads a key file. Errors: OBJECT_NOT_FOUND, NO_PERMISSION, DAMAGED. */
export const readKeyFile = async (path: string): Promise<VaultKey> => notYet(path);
