import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { WritableTree } from '../tree/guest-tree.ts';
import { runTool } from './run-tool.ts';

/** Names that mean something to the tools, or to a shell, have no place on the partition that firmware reads. */
const PLAIN = /^[A-Za-z0-9._ +-]+$/;

/**
 * The files of a FAT file system at an offset of a file, by mtools: firmware reads nothing but FAT, and this host's kernel may not know it. Names are as on
 * FAT: in upper or lower case alike.
 */
export const fatTree = (file: string, offset: number): WritableTree => {
  const image = `${file}@@${offset}`;
  const named = (guestPath: string): string => {
    const names = guestPath.split('/').filter((name) => name !== '');
    if (names.every((name) => PLAIN.test(name))) return `::${names.join('/')}`;
    throw new HoldfastError('IO_FAILED', { thing: guestPath, why: 'its name is unusual', remedy: 'rename it on the source' });
  };
  const orUndefined = async <T>(work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (reason) {
      if (isHoldfastError(reason, 'IO_FAILED')) return undefined;
      throw reason;
    }
  };
  const list = async (guestPath: string): Promise<string[]> => {
    const told = await orUndefined(runTool('mdir', ['-b', '-a', '-i', image, `${named(guestPath)}/`]));
    return (told?.toString('utf8') ?? '')
      .split('\n')
      .map((line) => line.trim().replace(/\/$/, ''))
      .filter((line) => line.startsWith('::'))
      .map((line) => line.slice(line.lastIndexOf('/') + 1))
      .filter((name) => PLAIN.test(name) && name !== '.' && name !== '..')
      .toSorted();
  };
  const read = async (guestPath: string, limit = 4 * 1024 * 1024): Promise<Buffer | undefined> => {
    const content = await orUndefined(runTool('mcopy', ['-i', image, named(guestPath), '-']));
    return content === undefined || content.length > limit ? undefined : content;
  };
  return {
    read,
    list,
    async kind(guestPath) {
      const slash = guestPath.lastIndexOf('/');
      const name = guestPath.slice(slash + 1).toLowerCase();
      if (!(await list(guestPath.slice(0, slash))).some((other) => other.toLowerCase() === name)) return undefined;
      return (await read(guestPath, Number.POSITIVE_INFINITY)) === undefined ? 'directory' : 'file';
    },
    async write(guestPath, content) {
      const names = guestPath.split('/').filter((name) => name !== '');
      for (let depth = 1; depth < names.length; depth += 1) {
        const directory = `/${names.slice(0, depth).join('/')}`;
        if ((await this.kind(directory)) === undefined) await runTool('mmd', ['-i', image, named(directory)]);
      }
      await runTool('mcopy', ['-o', '-i', image, '-', named(guestPath)], { input: content });
    },
    async remove(guestPath) {
      await orUndefined(runTool('mdel', ['-i', image, named(guestPath)]));
    },
  };
};
