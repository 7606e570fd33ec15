import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { allocateFile, tryLock } from '../platform/file.ts';
import { damaged } from './damage.ts';
import type { HrlDirectory, HrlFile } from './files.ts';

const readAt = promisify(fs.read);
const writeAt = promisify(fs.write);
const syncLater = promisify(fs.fsync);
const ZEROES = Buffer.alloc(1024 * 1024);

const attempt = <T>(thing: string, work: () => T): T => {
  try {
    return work();
  } catch (reason) {
    throw fromSystem(reason, thing);
  }
};

class DiskFile implements HrlFile {
  readonly path: string;
  readonly size: number;
  readonly #fd: number;

  constructor(name: string, fd: number) {
    this.path = name;
    this.#fd = fd;
    this.size = fs.fstatSync(fd).size;
  }

  read(offset: number, target: Uint8Array): void {
    const count = attempt(this.path, () => fs.readSync(this.#fd, target, 0, target.length, offset));
    if (count < target.length) throw damaged(this.path, offset + count, 'the file ends too early');
  }

  async readLater(offset: number, target: Uint8Array): Promise<void> {
    const { bytesRead } = await readAt(this.#fd, target, 0, target.length, offset).catch((reason: unknown) => {
      throw fromSystem(reason, this.path);
    });
    if (bytesRead < target.length) throw damaged(this.path, offset + bytesRead, 'the file ends too early');
  }

  write(offset: number, ...parts: readonly Uint8Array[]): void {
    const total = parts.reduce((sum, { length }) => sum + length, 0);
    const written = attempt(this.path, () => fs.writevSync(this.#fd, parts, offset));
    // A regular file takes less than all only when the device is full.
    if (written < total) throw fromSystem(Object.assign(new Error('ENOSPC: short write'), { code: 'ENOSPC' }), this.path);
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}

class DiskDirectory implements HrlDirectory {
  readonly path: string;
  readonly #fd: number;
  readonly #flags: string;
  readonly #inMemory: boolean;

  constructor(directory: string, mode: DirectoryMode) {
    this.path = path.resolve(directory);
    this.#flags = mode === 'read' ? 'r' : 'r+';
    this.#fd = attempt(directory, () => {
      if (mode !== 'read') fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
      return fs.openSync(directory, 'r');
    });
    this.#inMemory = attempt(directory, () => fs.statfsSync(directory).type === TMPFS);
  }

  /** Ends with the process, however it ends. */
  lock(): void {
    if (process.platform !== 'linux' || attempt(this.path, () => tryLock(this.#fd))) return;
    this.close();
    throw new HoldfastError('AGENT_RUNNING', {
      thing: `agent log (.hrl) in ${this.path}`,
      why: 'another process works with it',
      remedy: 'stop the other agent first',
    });
  }

  list(): string[] {
    return attempt(this.path, () => fs.readdirSync(this.path).sort());
  }

  open(name: string): HrlFile {
    const file = path.join(this.path, name);
    return attempt(file, () => new DiskFile(file, fs.openSync(file, this.#flags)));
  }

  create(name: string, size: number): HrlFile {
    const file = path.join(this.path, name);
    const fd = attempt(file, () => fs.openSync(file, 'wx+', 0o600));
    try {
      fill(fd, size, this.#inMemory);
      return new DiskFile(file, fd);
    } catch (reason) {
      fs.closeSync(fd);
      fs.rmSync(file, { force: true });
      throw fromSystem(reason, file);
    }
  }

  async createLater(name: string, size: number): Promise<HrlFile> {
    const file = path.join(this.path, name);
    const fd = attempt(file, () => fs.openSync(file, 'wx+', 0o600));
    try {
      await fillLater(fd, size, this.#inMemory);
      return new DiskFile(file, fd);
    } catch (reason) {
      fs.closeSync(fd);
      fs.rmSync(file, { force: true });
      throw fromSystem(reason, file);
    }
  }

  remove(name: string): void {
    attempt(this.path, () => fs.rmSync(path.join(this.path, name), { force: true }));
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}

/** `f_type` of a tmpfs (statfs(2)). */
const TMPFS = 0x0102_1994;

/**
 * Takes all the room now and writes it once: from here on no write of the log changes metadata of the file system, nor where the file
 * lies, by which its blocks are told from those of the machine.
 */
const fill = (fd: number, size: number, inMemory: boolean): void => {
  const allocated = allocate(fd, size);
  if (allocated && inMemory) return;
  for (let at = 0; at < size; at += ZEROES.length) fs.writeSync(fd, ZEROES, 0, Math.min(ZEROES.length, size - at), at);
  if (!allocated) fs.fsyncSync(fd);
};

const fillLater = async (fd: number, size: number, inMemory: boolean): Promise<void> => {
  const allocated = allocate(fd, size);
  if (allocated && inMemory) return;
  for (let at = 0; at < size; at += ZEROES.length) await writeAt(fd, ZEROES, 0, Math.min(ZEROES.length, size - at), at);
  if (!allocated) await syncLater(fd);
};

/** False where the file system cannot; then only writing the zeroes, down to the device, takes the room. */
const allocate = (fd: number, size: number): boolean => {
  if (process.platform !== 'linux') return false;
  try {
    allocateFile(fd, size);
    return true;
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'EOPNOTSUPP') return false;
    throw reason;
  }
};

/** `read`: as it is, whoever else uses it. `own`: made if need be; no other process may own it, or AGENT_RUNNING. */
export type DirectoryMode = 'read' | 'own';

/** A directory of the log in the file system. */
export const openDiskDirectory = (directory: string, mode: DirectoryMode): HrlDirectory => {
  const opened = new DiskDirectory(directory, mode);
  if (mode === 'own') opened.lock();
  return opened;
};
