import { constants } from 'node:fs';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';

/** Larger ones are nobody's state. */
const LARGEST = 16 * 1024 * 1024;

/** A small file with JSON that is either the old one or the new one, whenever the process or the machine dies. */
export interface JsonFile {
  readonly path: string;
  /** What is in it; undefined where there is none. DAMAGED when it is not JSON. */
  read(): Promise<unknown>;
  /** Resolves when the new content survives a power loss. Calls are carried out one after the other. */
  write(value: unknown): Promise<void>;
}

/** A file that says something it cannot mean. */
export const damagedFile = (file: string, why: string): HoldfastError =>
  new HoldfastError('DAMAGED', {
    thing: file,
    why,
    remedy: 'restore it from a backup; removing it makes the agent forget what it says',
  });

export interface JsonFileOptions {
  /** True for a file in memory: it survives the process, and need not survive the machine. */
  readonly inMemory?: boolean;
}

const put = async (name: string, flags: number, inMemory: boolean, text?: string): Promise<void> => {
  const file = await open(name, flags, 0o600);
  try {
    if (text !== undefined) await file.writeFile(text);
    if (!inMemory) await file.sync();
  } finally {
    await file.close();
  }
};

const replace = async (name: string, text: string, inMemory: boolean): Promise<void> => {
  const folder = path.dirname(name);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await put(`${name}.new`, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, inMemory, text);
    await rename(`${name}.new`, name);
    if (!inMemory) await put(folder, constants.O_RDONLY, false);
  } catch (reason) {
    throw fromSystem(reason, name);
  }
};

export const openJsonFile = (name: string, { inMemory = false }: JsonFileOptions = {}): JsonFile => {
  let last: Promise<void> = Promise.resolve();
  return {
    path: name,
    async read() {
      let text: string;
      try {
        text = await readFile(name, 'utf8');
      } catch (reason) {
        if ((reason as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw fromSystem(reason, name);
      }
      if (text.length > LARGEST) throw damagedFile(name, `it has more than ${LARGEST} characters`);
      try {
        return JSON.parse(text) as unknown;
      } catch {
        throw damagedFile(name, 'it is not JSON');
      }
    },
    write(value) {
      const written = last.catch(() => undefined).then(() => replace(name, `${JSON.stringify(value, undefined, 1)}\n`, inMemory));
      last = written;
      return written;
    },
  };
};
