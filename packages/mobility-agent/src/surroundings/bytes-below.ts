import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';

const BLOCK = 512;

/** Bytes that the files of a directory take on disk; 0 when there is none. */
export const bytesBelow = async (directory: string): Promise<number> => {
  const names = await readdir(directory, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(path.join(directory, name)).then(
        (file) => (file.isFile() ? file.blocks * BLOCK : 0),
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
};
