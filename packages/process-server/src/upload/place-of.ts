import { createHash } from 'node:crypto';
import { stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ObjectStore } from '@holdfast/object-store';
import { VAULT_NAME } from '@holdfast/vault';

/** Where settings say a vault is, without what might be a secret. */
export const locationOf = (url: string): string => {
  if (url.startsWith('file:'))
    try {
      return `file:${fileURLToPath(new URL(url)).replace(/(?<=.)\/+$/, '')}`;
    } catch {
      return url;
    }
  const [place = url] = url.split(/[?#]/);
  return place.replace(/\/\/[^/@]*@/, '//').replace(/\/+$/, '');
};

/** `f_type` (statfs(2)) of FUSE, CIFS and SMB2: numbers of files there are often made up by this host, anew for whoever asks after a while. */
const MADE_UP = new Set([0x65735546, 0xff534d42, 0xfe534d42]);
/** Milliseconds of the last change are kept where numbers are not: objects are never changed, and a copy of one is changed when it is made. */
const markOf = async (file: string): Promise<string> => {
  const [{ ino, ctimeMs }, { type }] = await Promise.all([stat(file), statfs(path.dirname(file))]);
  return MADE_UP.has(type) ? `c${ctimeMs}` : `${ino}`;
};

/** Changes of the mark of one file, that is otherwise what it was, from which on the mark is not believed. A vault that is moved and moved back makes two. */
const TOO_MANY = 3;

/** Tells a place of a vault from a copy of it elsewhere. */
export interface Places {
  /**
   * By when the first object was created there, and by its address; of a folder, which may be mounted anywhere, by the file itself as long as that is told
   * by something that stays. `known`: what it was before. Errors as of `stat`.
   */
  of(url: string, store: Pick<ObjectStore, 'stat'>, known?: string): Promise<string>;
}

/** `mark`: tells one file from an exact copy. */
export const createPlaces = (mark = markOf): Places => {
  const seen = new Map<string, { readonly created: number; readonly mark: string; readonly changes: number }>();
  return {
    async of(url, store, known) {
      const location = locationOf(url);
      const { created } = await store.stat(VAULT_NAME);
      const place = (own: string): string => createHash('sha256').update(`${own}:${created}`).digest('hex').slice(0, 32);
      if (!location.startsWith('file:')) return place(location);
      // Known to be on a file system where nothing tells files apart.
      if (known === place('file')) return known;
      const now = await mark(path.join(location.slice('file:'.length), VAULT_NAME));
      const before = seen.get(url);
      const same = before?.created === created ? before : undefined;
      const changes = (same?.changes ?? 0) + (same !== undefined && same.mark !== now ? 1 : 0);
      seen.set(url, { created, mark: now, changes });
      return place(changes < TOO_MANY ? now : 'file');
    },
  };
};
