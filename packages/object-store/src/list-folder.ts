import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { compareNames } from './name.ts';
import type { ObjectInfo } from './object-store.ts';

/** The files below `root` as objects: those whose name starts with `prefix` and comes after `after`, in order, read as they are asked for. */
export const listFolder = (root: string, prefix: string, after: string): AsyncGenerator<ObjectInfo> =>
  // Nothing outside of the directory that the prefix names can be meant: a store of many machines is not read for one of them.
  listBelow(root, prefix, after, prefix.slice(0, prefix.lastIndexOf('/') + 1));

async function* listBelow(root: string, prefix: string, after: string, directory: string): AsyncGenerator<ObjectInfo> {
  for (const { key, isDirectory } of await entriesOf(join(root, directory))) {
    const name = directory + key;
    if (isDirectory) {
      const relevant = name.startsWith(prefix) || prefix.startsWith(name);
      const past = after > name && !after.startsWith(name);
      if (relevant && !past) yield* listBelow(root, prefix, after, name);
    } else if (name.startsWith(prefix) && name > after) {
      const status = await lstat(join(root, name)).catch(ignoreMissing);
      if (status !== undefined) yield { name, size: status.size, created: Math.floor(status.mtimeMs) };
    }
  }
}

/** A directory's name ends in `/` here, so that `a-b` sorts before `a/b` as it does among object names. */
const entriesOf = async (path: string): Promise<{ key: string; isDirectory: boolean }[]> => {
  const entries: Dirent[] = (await readdir(path, { withFileTypes: true }).catch(ignoreMissing)) ?? [];
  return entries
    .filter((entry) => !entry.name.startsWith('.') && (entry.isDirectory() || entry.isFile()))
    .map((entry) => ({ key: entry.isDirectory() ? `${entry.name}/` : entry.name, isDirectory: entry.isDirectory() }))
    .sort((a, b) => compareNames(a.key, b.key));
};

const ignoreMissing = (reason: NodeJS.ErrnoException): undefined => {
  if (reason.code !== 'ENOENT' && reason.code !== 'ENOTDIR') throw reason;
};
