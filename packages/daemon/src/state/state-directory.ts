import { constants, type FileHandle, mkdir, open, stat } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { lockFile } from './file-lock.ts';
import { giveToOwner } from './give-to-owner.ts';

/** A directory that belongs to this process until it is released. */
export interface StateDirectory {
  readonly path: string;
  release(): Promise<void>;
}

const LOCK_FILE = 'lock';

/** What the holder wrote of itself; only words for people, the lock is the kernel's. */
const readHolder = async (file: FileHandle): Promise<string> => {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(200), 0, 200, 0);
  const [, program = '', pid = ''] = /^([\w-]{1,64}) (\d{1,10})\n/.exec(buffer.toString('latin1', 0, bytesRead)) ?? [];
  return program === '' ? 'another process' : `${program} (process ${pid})`;
};

/** On a full disk it is not said: a program that protects a machine starts all the same. */
const writeHolder = async (file: FileHandle, program: string): Promise<void> => {
  const holder = Buffer.from(`${program} ${process.pid}\n`);
  // Over what is there, whose room is taken already.
  await file.write(holder, 0, holder.length, 0);
  await file.truncate(holder.length);
};

/** Makes a directory for state alone (mode 0700) where it does not exist. */
export const makeStateDirectory = async (directory: string): Promise<void> => {
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch((reason: unknown) => {
    throw fromSystem(reason, directory);
  });
};

/**
 * Makes the directory where it does not exist (mode 0700) and takes it for this process. Rejects with ALREADY_RUNNING, naming the process
 * that has it. The lock file stays: removing it would let two processes lock two files of one name.
 */
export const openStateDirectory = async (directory: string, program: string): Promise<StateDirectory> => {
  let file: FileHandle | undefined;
  try {
    await makeStateDirectory(directory);
    file = await open(path.join(directory, LOCK_FILE), constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    await giveToOwner(file, await stat(directory));
    if (!lockFile(file)) {
      throw new HoldfastError('ALREADY_RUNNING', {
        thing: directory,
        why: `${await readHolder(file)} uses it`,
        remedy: 'end that one, or give this instance its own state.directory',
      });
    }
    await writeHolder(file, program).catch(() => undefined);
  } catch (reason) {
    await file?.close();
    throw fromSystem(reason, directory);
  }
  const held = file;
  return { path: directory, release: () => held.close() };
};
