import { randomBytes } from 'node:crypto';
import { type FileHandle, link, lstat, open, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { createDirectories, removeOldFiles, syncDirectory } from './directories.ts';
import { listFolder } from './list-folder.ts';
import { checkName, checkPrefix } from './name.ts';
import type { ListOptions, ObjectInfo, ObjectRange, ObjectStore } from './object-store.ts';
import { OpenFiles } from './open-files.ts';
import { objectExists, objectNotFound } from './outcome.ts';
import { checkRange, resolveRange } from './range.ts';

/** Holds objects while they are written; no object's name begins with a dot, so it is never listed. */
const INCOMING = '.incoming';
/** Objects kept open for readers. */
const OPEN_FILES = 64;
/** What is written once is read from then on. */
const READ_ONLY = 0o444;
/** Nobody takes that long to write one object. */
const LEFTOVER_AGE = 24 * 3600 * 1000;

/*
 * An object is a file. It is written beside, made durable, then given its name by link(): that fails when the name is taken, whereas rename()
 * would silently replace the other's object and with it everything that fencing rests on.
 */
class FolderStore implements ObjectStore {
  readonly url: string;
  readonly #root: string;
  readonly #known = new Set<string>();
  readonly #open = new OpenFiles(OPEN_FILES);
  #prepared: Promise<void> | undefined;
  /** Whether this is a folder that was written to, as it was found at the first request. */
  #found: Promise<boolean> | undefined;

  constructor(root: string) {
    this.#root = root;
    this.url = `file:${root}`;
  }

  async create(name: string, content: Uint8Array): Promise<void> {
    checkName(name);
    const path = join(this.#root, name);
    const incoming = join(this.#root, INCOMING, randomBytes(16).toString('hex'));
    try {
      await this.#ready(dirname(path));
      await this.#write(incoming, content);
      try {
        await giveName(incoming, path);
      } finally {
        await unlink(incoming);
      }
      await syncDirectory(dirname(path));
    } catch (reason) {
      throw await this.#explain(reason, name);
    }
  }

  async read(name: string, range?: ObjectRange): Promise<Uint8Array> {
    checkName(name);
    checkRange(range);
    this.#found ??= this.#isThere();
    // Who asks for a part in the middle will ask for others. What another process deletes meanwhile may be read a while longer.
    if (range !== undefined && range.offset > 0 && range.length !== undefined) return this.#readPart(name, range.offset, range.length);
    let file: FileHandle | undefined;
    try {
      file = await open(join(this.#root, name), 'r');
      const status = await file.stat();
      if (!status.isFile()) throw objectNotFound(name);
      const { start, end } = resolveRange(status.size, range);
      return await readFully(file, start, Math.max(0, end - start));
    } catch (reason) {
      throw missing(reason) ? await this.#missing(name, reason) : this.#failed(reason, name);
    } finally {
      await file?.close();
    }
  }

  async #readPart(name: string, offset: number, length: number): Promise<Uint8Array> {
    try {
      return await this.#open.read(join(this.#root, name), offset, length);
    } catch (reason) {
      throw missing(reason) ? await this.#missing(name, reason) : this.#failed(reason, name);
    }
  }

  async stat(name: string): Promise<ObjectInfo> {
    checkName(name);
    this.#found ??= this.#isThere();
    try {
      const status = await lstat(join(this.#root, name));
      if (!status.isFile()) throw objectNotFound(name);
      return { name, size: status.size, created: Math.floor(status.mtimeMs) };
    } catch (reason) {
      throw missing(reason) ? await this.#missing(name, reason) : this.#failed(reason, name);
    }
  }

  async *list(prefix: string, { after = '' }: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    checkPrefix(prefix);
    this.#found ??= this.#isThere();
    try {
      yield* listFolder(this.#root, prefix, after);
    } catch (reason) {
      throw this.#failed(reason, prefix);
    }
    if (await this.#isGone()) throw this.#gone();
  }

  async delete(name: string): Promise<void> {
    checkName(name);
    this.#found ??= this.#isThere();
    const path = join(this.#root, name);
    try {
      await unlink(path);
      this.#open.forget(path);
      await syncDirectory(dirname(path));
    } catch (reason) {
      if (!missing(reason)) throw this.#failed(reason, name);
      if (await this.#isGone()) throw this.#gone(reason);
    }
  }

  async close(): Promise<void> {
    this.#open.close();
  }

  async #ready(directory: string): Promise<void> {
    this.#prepared ??= this.#prepare();
    try {
      await this.#prepared;
    } catch (reason) {
      this.#prepared = undefined;
      throw reason;
    }
    if (this.#known.has(directory)) return;
    await createDirectories(directory, this.#root);
    this.#known.add(directory);
  }

  /** Once for each store: what is missing later was taken away, and must not be made again somewhere else. */
  async #prepare(): Promise<void> {
    await createDirectories(this.#root);
    await createDirectories(join(this.#root, INCOMING), this.#root);
    await removeOldFiles(join(this.#root, INCOMING), LEFTOVER_AGE);
    this.#found = Promise.resolve(true);
  }

  async #write(path: string, content: Uint8Array): Promise<void> {
    const file = await open(path, 'wx', READ_ONLY);
    try {
      await file.writeFile(content);
      await file.sync();
    } catch (reason) {
      await unlink(path).catch(() => {});
      throw reason;
    } finally {
      await file.close();
    }
  }

  async #explain(reason: unknown, name: string): Promise<HoldfastError> {
    const code = (reason as NodeJS.ErrnoException).code;
    const syscall = (reason as NodeJS.ErrnoException).syscall;
    if (code === 'EEXIST' && syscall === 'link') {
      // Whoever asks again after a lost answer takes this one for "it is durable": make that true, the other may have died before it was.
      await syncDirectory(dirname(join(this.#root, name))).catch((failure: unknown) => {
        throw this.#failed(failure, name);
      });
      return objectExists(name, reason);
    }
    if (syscall === 'link' && (code === 'EPERM' || code === 'ENOTSUP' || code === 'EOPNOTSUPP' || code === 'ENOSYS'))
      return new HoldfastError('UNSUPPORTED_OPERATION', {
        thing: this.url,
        why: 'its file system has no hard links, without which two writers could overwrite each other',
        remedy: 'put the vault on a file system that has them, such as ext4 or XFS',
        cause: reason,
      });
    if (code === 'ENOENT') return this.#gone(reason);
    return this.#failed(reason, name);
  }

  async #missing(name: string, reason: unknown): Promise<HoldfastError> {
    return (await this.#isGone()) ? this.#gone(reason) : objectNotFound(name, reason);
  }

  #isThere(): Promise<boolean> {
    return lstat(join(this.#root, INCOMING)).then(
      () => true,
      () => false,
    );
  }

  /** The folder was there and is not, as when it was unmounted: then nothing can be said of what is in it. */
  async #isGone(): Promise<boolean> {
    return (await this.#found) === true && !(await this.#isThere());
  }

  #gone(cause?: unknown): HoldfastError {
    return new HoldfastError('STORE_UNAVAILABLE', {
      thing: this.url,
      why: 'its folder is gone',
      remedy: 'mount it again, or put it back where it was',
      cause,
    });
  }

  #failed(reason: unknown, name: string): HoldfastError {
    return fromSystem(reason, `${this.url}/${name}`, 'STORE_UNAVAILABLE');
  }
}

/** link(), but that NFS may say of a name which it has just made, when it asked twice, that it exists (link(2)). */
const giveName = async (incoming: string, path: string): Promise<void> => {
  try {
    await link(incoming, path);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== 'EEXIST') throw reason;
    // Some file systems number files beyond what a number of JavaScript tells apart.
    const statusOf = (one: string) => lstat(one, { bigint: true }).catch(() => undefined);
    const [own, there] = await Promise.all([statusOf(incoming), statusOf(path)]);
    if (own === undefined || own.ino !== there?.ino || own.dev !== there.dev) throw reason;
  }
};

const missing = (reason: unknown): boolean => {
  const code = (reason as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR';
};

const readFully = async (file: FileHandle, start: number, length: number): Promise<Uint8Array> => {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, start + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
};

/** Objects as files below the folder `root` (absolute path), which is made with the first object. Needs a file system with hard links. */
export const createFolderStore = (root: string): ObjectStore => new FolderStore(root);
