import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem } from '@holdfast/errors';

/** Names of files below `authority`; see authority-ring.ts. */
export const AUTHORITY_FILE = {
  key: 'authority.key',
  certificate: 'authority.pem',
  nextKey: 'authority-next.key',
  nextCertificate: 'authority-next.pem',
  oldCertificate: 'authority-old.pem',
  successor: 'authority-successor.json',
} as const;

/** Those a state cannot do without, and those that are there while the authority is replaced, or since. */
export const NEEDED_FILES = [AUTHORITY_FILE.key, AUTHORITY_FILE.certificate] as const;
export const OTHER_FILES = [
  AUTHORITY_FILE.nextKey,
  AUTHORITY_FILE.nextCertificate,
  AUTHORITY_FILE.oldCertificate,
  AUTHORITY_FILE.successor,
] as const;

/** The text of a file; undefined when there is none. */
export const readIfPresent = async (file: string): Promise<string | undefined> => {
  try {
    return await readFile(file, 'utf8');
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fromSystem(reason, file);
  }
};

/** Makes names in a directory survive a loss of power. */
export const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, 'r');
  await handle.sync().finally(() => handle.close());
};

/** Puts a file in place whole, readable by its owner alone, on the disk before this resolves. */
export const writePrivately = async (file: string, content: string): Promise<void> => {
  const directory = path.dirname(file);
  const temporary = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const handle = await open(temporary, 'wx', 0o600);
    await handle.writeFile(content);
    await handle.sync();
    await handle.close();
    await rename(temporary, file);
    await syncDirectory(directory);
  } catch (reason) {
    throw fromSystem(reason, file);
  }
};
