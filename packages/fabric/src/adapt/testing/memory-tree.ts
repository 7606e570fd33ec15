import path from 'node:path';
import type { WritableTree } from '../tree/guest-tree.ts';

/** A tree in memory, of the files given. */
export const memoryTree = (
  files: Readonly<Record<string, string | Uint8Array>>,
): WritableTree & { text(path: string): string | undefined } => {
  const content = new Map(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)]));
  const below = (directory: string): string => (directory === '/' ? '/' : `${path.posix.normalize(directory).replace(/\/$/, '')}/`);
  return {
    read: async (name) => content.get(name),
    list: async (directory) => {
      const names = [...content.keys()].filter((name) => name.startsWith(below(directory)));
      return [...new Set(names.map((name) => name.slice(below(directory).length).split('/')[0]!))].toSorted();
    },
    kind: async (name) => {
      if (content.has(name)) return 'file';
      return [...content.keys()].some((other) => other.startsWith(below(name))) ? 'directory' : undefined;
    },
    write: async (name, bytes) => void content.set(name, Buffer.from(bytes)),
    remove: async (name) => void content.delete(name),
    text: (name) => content.get(name)?.toString('utf8'),
  };
};
