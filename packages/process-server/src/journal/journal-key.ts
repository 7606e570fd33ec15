import { randomBytes } from 'node:crypto';
import { constants, open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { newId } from '@holdfast/protocol';

/** What a journal is sealed with. It is of use to nobody without the journal's files, and the other way round. */
export interface JournalKey {
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly key: Buffer;
}

const FILE = 'journal.key';
const FORM = /^holdfast-journal-key-1:([0-9a-f]{32}):([0-9a-f]{64})\n$/;

const write = async (file: string, text: string): Promise<void> => {
  const temporary = `${file}.new`;
  const handle = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
  await handle.writeFile(text);
  await handle.sync();
  await handle.close();
  await rename(temporary, file);
  const directory = await open(path.dirname(file), constants.O_RDONLY | constants.O_DIRECTORY);
  await directory.sync().finally(() => directory.close());
};

/** Reads the key kept in the state directory; makes one, mode 0600, at the first start. Rejects with DAMAGED when the file holds none. */
export const openJournalKey = async (stateDirectory: string): Promise<JournalKey> => {
  const file = path.join(stateDirectory, FILE);
  let text: string;
  try {
    text = await readFile(file, 'latin1');
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== 'ENOENT') throw fromSystem(reason, file);
    const made = { id: newId(), key: randomBytes(32) };
    await write(file, `holdfast-journal-key-1:${made.id}:${made.key.toString('hex')}\n`);
    return made;
  }
  const [, id, key] = FORM.exec(text) ?? [];
  if (id !== undefined && key !== undefined) return { id, key: Buffer.from(key, 'hex') };
  throw new HoldfastError('DAMAGED', {
    thing: file,
    why: 'it holds no key of a journal',
    remedy: 'remove it together with the journal: the agents still hold all that is not in a vault, and send it again',
  });
};
