import { chmod, lstat, mkdir, open, readdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Makes the entries of a directory durable. */
export const syncDirectory = async (path: string): Promise<void> => {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
};

/**
 * Makes a directory with all above it that are missing, each durable; only below `root` where that is given, and then with the rights that `root` has:
 * who may add to it may add to them, and a sticky one keeps others from taking away what is not theirs.
 */
export const createDirectories = async (path: string, root?: string): Promise<void> => {
  if (path === root) return;
  try {
    await mkdir(path);
    if (root !== undefined) await copyRights(root, path);
  } catch (reason) {
    const code = (reason as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' && dirname(path) !== root) {
      await createDirectories(dirname(path), root);
      return createDirectories(path, root);
    }
    if (code !== 'EEXIST') throw reason;
  }
  // Also when it was there: whoever made it may have died before it was durable.
  await syncDirectory(dirname(path));
};

const RIGHTS = 0o7777;

const copyRights = async (from: string, to: string): Promise<void> => {
  const [model, made] = await Promise.all([lstat(from), lstat(to)]);
  if ((model.mode & RIGHTS) !== (made.mode & RIGHTS)) await chmod(to, model.mode & RIGHTS);
};

/** Removes files of a directory that were last written more than `age` milliseconds ago. */
export const removeOldFiles = async (directory: string, age: number): Promise<void> => {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const status = await lstat(path).catch(() => undefined);
    if (status?.isFile() && Date.now() - status.mtimeMs > age) await unlink(path).catch(() => {});
  }
};
