import { type FileHandle, open } from 'node:fs/promises';

/*
 * A file of a frame cache: entries one after the other, each a head of 32 bytes and a sealed frame.
 *
 *   0  4   magic "HFfc"
 *   4  u32 bytes of the frame
 *   8  16  hash of its key
 *  24  u64 zero, set aside
 *
 * Nothing is synced: a file that a crash cut short is used as far as its entries go; frames authenticate themselves.
 */
const MAGIC = 'HFfc';
const HEAD = 32;

/** Where a frame is. */
export interface CachedPlace {
  readonly file: CacheFile;
  readonly at: number;
  readonly length: number;
}

export class CacheFile {
  readonly number: number;
  readonly path: string;
  readonly #handle: FileHandle;
  /** Bytes used. */
  size: number;
  #readers = 0;
  #isClosed = false;

  constructor(number: number, path: string, handle: FileHandle, size: number) {
    this.number = number;
    this.path = path;
    this.#handle = handle;
    this.size = size;
  }

  /** Errors: those of the system, of a file that was closed too. */
  async read({ at, length }: CachedPlace): Promise<Uint8Array | undefined> {
    this.#readers += 1;
    try {
      const bytes = Buffer.allocUnsafe(length);
      const { bytesRead } = await this.#handle.read(bytes, 0, length, at);
      return bytesRead === length ? bytes : undefined;
    } finally {
      this.#readers -= 1;
      if (this.#isClosed) await this.#closeIdle();
    }
  }

  async append(hash: string, sealed: Uint8Array): Promise<CachedPlace> {
    const head = Buffer.alloc(HEAD);
    head.write(MAGIC, 0, 'latin1');
    head.writeUInt32LE(sealed.length, 4);
    head.write(hash, 8, 'latin1');
    const start = this.size;
    await this.#handle.writev([head, sealed], start);
    this.size = start + HEAD + sealed.length;
    return { file: this, at: start + HEAD, length: sealed.length };
  }

  /** Those who read finish first. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#closeIdle();
  }

  async #closeIdle(): Promise<void> {
    if (this.#readers === 0) await this.#handle.close();
  }
}

/** Opens a file of an earlier process and notes the places of its frames; undefined when it has more than `most` bytes. What makes no sense ends it. */
export const scanCacheFile = async (
  number: number,
  path: string,
  most: number,
  places: Map<string, CachedPlace>,
): Promise<CacheFile | undefined> => {
  const handle = await open(path, 'r+');
  const { size } = await handle.stat();
  if (size > most) {
    await handle.close();
    return undefined;
  }
  const head = Buffer.alloc(HEAD);
  const file = new CacheFile(number, path, handle, 0);
  for (;;) {
    const { bytesRead } = await handle.read(head, 0, HEAD, file.size);
    if (bytesRead < HEAD || head.toString('latin1', 0, 4) !== MAGIC) break;
    const length = head.readUInt32LE(4);
    const at = file.size + HEAD;
    if (at + length > size) break;
    places.set(head.toString('latin1', 8, 24), { file, at, length });
    file.size = at + length;
  }
  // What comes behind would be taken for entries when the file grows.
  await handle.truncate(file.size);
  return file;
};
