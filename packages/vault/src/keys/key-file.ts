import { createHash, randomBytes } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { KEY_SIZE } from './key-ring.ts';
import type { VaultKey } from './vault-key.ts';

/*
 * A key file is one line that survives printing and typing: `holdfast-key-1:<64 hexadecimal digits>:<8 digits of checksum>`. The checksum is the
 * first four bytes of SHA-256 over the 32 bytes of the key.
 */
const FORM = /^holdfast-key-1:([0-9a-f]{64}):([0-9a-f]{8})$/;

const checksumOf = (secret: Uint8Array): string => createHash('sha256').update(secret).digest('hex').slice(0, 8);

/** The content of a key file. */
export const formatKeyFile = (secret: Uint8Array): string =>
  `holdfast-key-1:${Buffer.from(secret).toString('hex')}:${checksumOf(secret)}\n`;

/** Reads the content of a key file. Errors: DAMAGED when its form or checksum is wrong. */
export const parseKeyFile = (content: string, path = 'key file'): VaultKey => {
  const [, digits, checksum] = FORM.exec(content.trim().toLowerCase()) ?? [];
  if (digits === undefined) throw notAKey(path, 'it is not a Holdfast key file');
  const secret = Buffer.from(digits, 'hex');
  if (checksumOf(secret) !== checksum) throw notAKey(path, 'its checksum is wrong: a digit was lost or changed');
  return { kind: 'key-file', secret };
};

/** Makes a new key and writes it to a new file that only its owner may read. Errors: OBJECT_EXISTS, NO_PERMISSION, NO_SPACE. */
export const writeKeyFile = async (path: string): Promise<VaultKey> => {
  const secret = randomBytes(KEY_SIZE);
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(formatKeyFile(secret));
      await file.sync();
    } finally {
      await file.close();
    }
    const directory = await open(dirname(path), 'r');
    await directory.sync().finally(() => directory.close());
  } catch (reason) {
    throw fromSystem(reason, path);
  }
  return { kind: 'key-file', secret };
};

/** Reads a key file. Errors: OBJECT_NOT_FOUND, NO_PERMISSION, DAMAGED. */
export const readKeyFile = async (path: string): Promise<VaultKey> => {
  let content: string;
  try {
    content = await readFile(path, 'latin1');
  } catch (reason) {
    throw fromSystem(reason, path);
  }
  return parseKeyFile(content, path);
};

const notAKey = (path: string, why: string): HoldfastError =>
  new HoldfastError('DAMAGED', { thing: path, why, remedy: 'take another copy of the key file, or the recovery kit' });
