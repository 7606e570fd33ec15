import { close, fstat, open, read } from 'node:fs';
import { promisify } from 'node:util';

const openFile = promisify(open);
const statFile = promisify(fstat);
const closeFile = promisify(close);

interface OpenFile {
  readonly fd: number;
  readonly size: number;
}

interface Entry {
  readonly file: Promise<OpenFile>;
  users: number;
}

/**
 * Files that are read in many small pieces, kept open: of a read of a few KiB, opening costs more than all else. For files that never change. Those used
 * last stay; others are closed when nobody reads them.
 */
export class OpenFiles {
  readonly #most: number;
  /** Oldest use first. */
  readonly #entries = new Map<string, Entry>();

  constructor(most: number) {
    this.#most = most;
  }

  /** The bytes from `offset` on, fewer at the end of the file. Errors: those of the system; EISDIR for what is no file. */
  async read(path: string, offset: number, length: number): Promise<Buffer> {
    const entry = this.#take(path);
    try {
      const { fd, size } = await entry.file;
      const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, size - offset)));
      for (let done = 0; done < bytes.length; ) {
        const count = await readSome(fd, bytes, done, offset + done);
        if (count === 0) return bytes.subarray(0, done);
        done += count;
      }
      return bytes;
    } finally {
      entry.users -= 1;
      this.#closeIdle(path, entry);
    }
  }

  /** Who reads it from now on opens it again. */
  forget(path: string): void {
    const entry = this.#entries.get(path);
    if (entry === undefined) return;
    this.#entries.delete(path);
    this.#closeIdle(path, entry);
  }

  close(): void {
    for (const path of [...this.#entries.keys()]) this.forget(path);
  }

  #take(path: string): Entry {
    const entry = this.#entries.get(path) ?? { file: openPlain(path), users: 0 };
    this.#entries.delete(path);
    this.#entries.set(path, entry);
    entry.users += 1;
    entry.file.catch(() => {
      if (this.#entries.get(path) === entry) this.#entries.delete(path);
    });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#most) break;
      this.forget(oldest);
    }
    return entry;
  }

  #closeIdle(path: string, entry: Entry): void {
    if (entry.users > 0 || this.#entries.get(path) === entry) return;
    entry.file.then(({ fd }) => closeFile(fd)).catch(() => {});
  }
}

const openPlain = async (path: string): Promise<OpenFile> => {
  const fd = await openFile(path, 'r');
  const status = await statFile(fd);
  if (status.isFile()) return { fd, size: status.size };
  await closeFile(fd);
  throw Object.assign(new Error(`EISDIR: ${path} is no file`), { code: 'EISDIR' });
};

const readSome = (fd: number, bytes: Buffer, at: number, position: number): Promise<number> =>
  new Promise((resolve, reject) => {
    read(fd, bytes, at, bytes.length - at, position, (reason, count) => (reason === null ? resolve(count) : reject(reason)));
  });
