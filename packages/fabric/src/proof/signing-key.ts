import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem } from '@holdfast/errors';
import { readSigningKey } from './proof-report.ts';

/**
 * The key in a file that proofs are signed by, made where there is none: then the file is there whole and durable, or not at all, also when somebody else
 * makes one at the same time. Errors: SETTING_INVALID (it holds no such key), those of the system.
 */
export const openSigningKey = async (file: string): Promise<KeyObject> => {
  try {
    return (await readIfThere(file)) ?? (await make(file));
  } catch (reason) {
    throw fromSystem(reason, file);
  }
};

const readIfThere = async (file: string): Promise<KeyObject | undefined> => {
  try {
    return readSigningKey(await readFile(file, 'utf8'), file);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw reason;
  }
};

const make = async (file: string): Promise<KeyObject> => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const directory = path.dirname(file);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const unnamed = `${file}.${randomUUID()}.new`;
  try {
    const handle = await open(unnamed, 'wx', 0o600);
    try {
      await handle.writeFile(privateKey.export({ type: 'pkcs8', format: 'pem' }));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(unnamed, file);
  } catch (reason) {
    // Somebody was faster.
    if ((reason as NodeJS.ErrnoException).code === 'EEXIST') return (await readIfThere(file))!;
    throw reason;
  } finally {
    await rm(unnamed, { force: true });
  }
  const parent = await open(directory, 'r');
  await parent.sync().finally(() => parent.close());
  return privateKey;
};
