import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, readlink, rm } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { WritableTree } from './guest-tree.ts';

const LARGEST_TEXT = 4 * 1024 * 1024;
/** As the kernel's own limit. */
const MOST_LINKS = 40;

/**
 * A tree mounted below a directory of this host. Links were made by somebody else's machine: each step of a path is looked at, and one that leads out leads
 * to the tree's own root instead, as it would there. Nobody else changes the tree meanwhile.
 */
export const mountedTree = (root: string): WritableTree => {
  const absent = (reason: NodeJS.ErrnoException): undefined => {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(reason.code ?? '')) return undefined;
    throw fromSystem(reason, root);
  };

  /** Where a path is on this host, every link followed; the last name need not exist. Undefined when the way to it does not, or goes in circles. */
  const locate = async (guestPath: string): Promise<string | undefined> => {
    const left = guestPath.split('/').filter((name) => name !== '' && name !== '.');
    const done: string[] = [];
    for (let links = 0; left.length > 0; ) {
      const name = left.shift()!;
      if (name === '..') {
        done.pop();
        continue;
      }
      const at = path.join(root, ...done, name);
      const status = await lstat(at).catch(absent);
      if (status === undefined && left.length > 0) return undefined;
      if (status?.isSymbolicLink()) {
        links += 1;
        if (links > MOST_LINKS) return undefined;
        const target = await readlink(at);
        if (target.startsWith('/')) done.length = 0;
        left.unshift(...target.split('/').filter((part) => part !== '' && part !== '.'));
        continue;
      }
      done.push(name);
    }
    return path.join(root, ...done);
  };

  const kindOf = async (at: string): Promise<'file' | 'directory' | 'other' | undefined> => {
    const status = await lstat(at).catch(absent);
    if (status === undefined) return undefined;
    return status.isFile() ? 'file' : status.isDirectory() ? 'directory' : 'other';
  };

  const makeDirectories = async (guestPath: string): Promise<void> => {
    const names = guestPath.split('/').filter((name) => name !== '');
    for (let depth = 1; depth <= names.length; depth += 1) {
      const at = await locate(names.slice(0, depth).join('/'));
      if (at !== undefined && (await kindOf(at)) === undefined) await mkdir(at, 0o755);
    }
  };

  return {
    async read(guestPath, limit = LARGEST_TEXT) {
      const at = await locate(guestPath);
      if (at === undefined || (await kindOf(at)) !== 'file') return undefined;
      const handle = await open(at, constants.O_RDONLY | constants.O_NOFOLLOW);
      try {
        return (await handle.stat()).size > limit ? undefined : await handle.readFile();
      } finally {
        await handle.close();
      }
    },
    async list(guestPath) {
      const at = await locate(guestPath);
      return at === undefined ? [] : ((await readdir(at).catch(absent)) ?? []).toSorted();
    },
    async kind(guestPath) {
      const at = await locate(guestPath);
      return at === undefined ? undefined : kindOf(at);
    },
    async write(guestPath, content, mode = 0o644) {
      try {
        await makeDirectories(path.posix.dirname(guestPath));
        const at = await locate(guestPath);
        const kind = at === undefined ? 'other' : await kindOf(at);
        if (at === undefined || (kind !== undefined && kind !== 'file'))
          throw new HoldfastError('IO_FAILED', { thing: guestPath, why: 'it is no file there', remedy: 'look at the disk' });
        const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
        const handle = await open(at, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
        try {
          await handle.writeFile(content);
          await handle.sync();
        } finally {
          await handle.close();
        }
      } catch (reason) {
        throw fromSystem(reason, guestPath);
      }
    },
    async remove(guestPath) {
      const at = await locate(guestPath);
      if (at !== undefined && (await kindOf(at)) === 'file') await rm(at);
    },
  };
};
