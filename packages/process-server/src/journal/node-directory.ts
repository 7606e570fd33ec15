import { constants, type FileHandle, mkdir, open, readdir, unlink } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { JournalDirectory, JournalFile } from './files.ts';

/** Bytes of zeroes written at a time. */
const PIECE = 1024 * 1024;

const fileOf = (handle: FileHandle, place: string, name: string, size: number): JournalFile => ({
  name,
  size,
  async read(offset, target) {
    for (let done = 0; done < target.length; ) {
      const { bytesRead } = await handle.read(target, done, target.length - done, offset + done);
      if (bytesRead === 0)
        throw new HoldfastError('DAMAGED', {
          thing: place,
          why: `it ends before byte ${offset + target.length}`,
          remedy: 'check the disk',
        });
      done += bytesRead;
    }
  },
  async write(offset, ...parts) {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const { bytesWritten } = await handle.writev([...parts], offset);
    if (bytesWritten === length) return;
    const all = Buffer.concat(parts);
    for (let done = bytesWritten; done < length; ) done += (await handle.write(all, done, length - done, offset + done)).bytesWritten;
  },
  sync: () => handle.datasync(),
  close: () => handle.close(),
});

const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync().finally(() => handle.close());
};

/** Opens a directory for the journal; makes it, mode 0700, where it does not exist. */
export const openNodeDirectory = async (directory: string): Promise<JournalDirectory> => {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (reason) {
    throw fromSystem(reason, directory);
  }
  const place = (name: string): string => path.join(directory, name);
  return {
    path: directory,
    list: () => readdir(directory),
    async open(name) {
      try {
        const handle = await open(place(name), constants.O_RDWR | constants.O_NOFOLLOW);
        return fileOf(handle, place(name), name, (await handle.stat()).size);
      } catch (reason) {
        throw fromSystem(reason, place(name));
      }
    },
    async create(name, size) {
      let handle: FileHandle | undefined;
      try {
        handle = await open(place(name), constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
        const zeroes = Buffer.alloc(PIECE);
        // Really written: blocks that are only reserved would cost every later fdatasync a change of the file system's own records.
        for (let at = 0; at < size; at += PIECE) await handle.write(zeroes, 0, Math.min(PIECE, size - at), at);
        await handle.sync();
        await syncDirectory(directory);
        return fileOf(handle, place(name), name, size);
      } catch (reason) {
        await handle?.close();
        if (handle !== undefined) await unlink(place(name)).catch(() => undefined);
        throw fromSystem(reason, place(name));
      }
    },
    async remove(name) {
      await unlink(place(name));
      await syncDirectory(directory);
    },
  };
};
