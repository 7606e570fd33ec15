import { closeSync, constants, fstatSync, mkdirSync, openSync, readSync, rmSync, statfsSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { allocateFile, releaseLock, tryLock } from '../platform/file.ts';
import { type MappedMemory, mapShared } from '../platform/memory.ts';
import { HEADER } from './memory-layout.ts';

const TMPFS_MAGIC = 0x0102_1994;
const USUAL_PLACES = ['/run', '/dev/shm'];

const isTmpfs = (path: string): boolean => {
  try {
    return statfsSync(path).type === TMPFS_MAGIC;
  } catch {
    return false;
  }
};

/** A directory in a tmpfs: the one asked for, else /run, else /dev/shm. Throws SETTING_INVALID if there is none. */
export const findMemoryDirectory = (wanted?: string): string => {
  const places = wanted === undefined ? USUAL_PLACES : [wanted];
  const found = places.find(isTmpfs);
  if (found !== undefined) return found;
  const remedy = 'mount a tmpfs and name it in the setting';
  throw new HoldfastError('SETTING_INVALID', { thing: 'memoryDirectory', why: `${places.join(' and ')} are not in a tmpfs`, remedy });
};

/** The directory of a trace's tracking memory, with the lock that makes us its only user. */
export interface MemoryFolder {
  readonly path: string;
  /** Bytes of the file `state` as found; 0 if it is new. */
  readonly stateBytes: number;
  /** Maps a file of the folder with all its memory reserved; it is made, if `fresh` as zeroes. */
  map(name: string, length: number, fresh: boolean): MappedMemory;
  /** The same for a piece of a file, which is made longer as far as that is necessary. */
  mapPiece(name: string, offset: number, length: number): MappedMemory;
  /** Gives back what a file, if there is one, has behind so many bytes; nobody may touch that any more. */
  shorten(name: string, length: number): void;
  /** Bytes of a file, 0 if there is none. */
  sizeOf(name: string): number;
  remove(name: string): void;
  /** Lets go of the lock; mappings stay as they are. */
  close(): void;
  /** Removes all files and lets go of the lock. */
  destroy(): void;
}

class Folder implements MemoryFolder {
  readonly path: string;
  readonly stateBytes: number;
  readonly #lock: number;

  constructor(path: string, lock: number) {
    this.path = path;
    this.#lock = lock;
    this.stateBytes = fstatSync(lock).size;
  }

  map(name: string, length: number, fresh: boolean): MappedMemory {
    if (fresh) this.shorten(name, 0);
    return this.mapPiece(name, 0, length);
  }

  mapPiece(name: string, offset: number, length: number): MappedMemory {
    const path = join(this.path, name);
    try {
      const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
      try {
        allocateFile(fd, offset + length);
        return mapShared(fd, length, offset);
      } finally {
        closeSync(fd);
      }
    } catch (reason) {
      throw fromSystem(reason, path);
    }
  }

  shorten(name: string, length: number): void {
    const path = join(this.path, name);
    try {
      if (this.sizeOf(name) > length) truncateSync(path, length);
    } catch (reason) {
      throw fromSystem(reason, path);
    }
  }

  sizeOf(name: string): number {
    return statSync(join(this.path, name), { throwIfNoEntry: false })?.size ?? 0;
  }

  remove(name: string): void {
    rmSync(join(this.path, name), { force: true });
  }

  close(): void {
    releaseLock(this.#lock);
    closeSync(this.#lock);
  }

  destroy(): void {
    rmSync(this.path, { recursive: true, force: true });
    this.close();
  }
}

const ownerOf = (fd: number): string => {
  const word = Buffer.alloc(4);
  return readSync(fd, word, 0, 4, HEADER.owner) === 4 ? `process ${word.readUInt32LE()}` : 'another process';
};

/** Makes the folder if it is not there, and takes its lock. Throws AGENT_RUNNING, naming the process, if another one has it. */
export const openMemoryFolder = (directory: string, name: string): MemoryFolder => {
  const path = join(directory, name);
  const state = join(path, 'state');
  for (;;) {
    let fd: number;
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      fd = openSync(state, constants.O_RDWR | constants.O_CREAT, 0o600);
    } catch (reason) {
      throw fromSystem(reason, state);
    }
    if (!tryLock(fd)) {
      const why = `${ownerOf(fd)} is using it`;
      closeSync(fd);
      throw new HoldfastError('AGENT_RUNNING', {
        thing: path,
        why,
        remedy: 'let only one agent run on a machine: end the other one first',
      });
    }
    // Its last owner may have removed the file between our opening and locking it.
    if (statSync(state, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) return new Folder(path, fd);
    closeSync(fd);
  }
};
