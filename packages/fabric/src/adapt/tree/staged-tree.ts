import path from 'node:path';
import type { GuestTree, WritableTree } from './guest-tree.ts';

/** A change of one file: what it shall hold, or that it shall go. */
export interface FileEdit {
  readonly path: string;
  readonly content: Uint8Array | undefined;
  readonly mode: number | undefined;
}

/** Changes that are seen by whoever reads through it, and made later, or never. */
export interface StagedTree extends WritableTree {
  edits(): FileEdit[];
}

export const stagedTree = (base: GuestTree): StagedTree => {
  const staged = new Map<string, FileEdit>();
  const named = (guestPath: string): string => path.posix.normalize(`/${guestPath}`);
  return {
    async read(guestPath, limit) {
      const edit = staged.get(named(guestPath));
      if (edit === undefined) return base.read(guestPath, limit);
      return edit.content === undefined ? undefined : Buffer.from(edit.content);
    },
    async list(guestPath) {
      const names = new Set(await base.list(guestPath));
      for (const edit of staged.values())
        if (path.posix.dirname(edit.path) === named(guestPath))
          names[edit.content === undefined ? 'delete' : 'add'](path.posix.basename(edit.path));
      return [...names].toSorted();
    },
    async kind(guestPath) {
      const edit = staged.get(named(guestPath));
      if (edit === undefined) return base.kind(guestPath);
      return edit.content === undefined ? undefined : 'file';
    },
    async write(guestPath, content, mode) {
      staged.set(named(guestPath), { path: named(guestPath), content, mode });
    },
    async remove(guestPath) {
      staged.set(named(guestPath), { path: named(guestPath), content: undefined, mode: undefined });
    },
    edits: () => [...staged.values()],
  };
};
