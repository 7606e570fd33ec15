import { isId, newId } from '@holdfast/protocol';
import { damagedFile, openJsonFile } from '../state/json-file.ts';
import type { FoundDisk } from './discover.ts';

/** A disk of the machine and the id it was given for its life. */
export interface RegisteredDisk extends FoundDisk {
  /** 32 hexadecimal digits. */
  readonly id: string;
}

/** Which ids the disks of this machine have; kept in the state directory. */
export interface DiskRegistry {
  /** Gives ids to disks that have none and remembers where all of them were seen. */
  identify(found: readonly FoundDisk[]): Promise<RegisteredDisk[]>;
  /** The same without giving ids: a disk that has none gets an empty one. */
  find(found: readonly FoundDisk[]): RegisteredDisk[];
  /** They are or were `protected`: every point of the machine has to tell of them for ever. Or `copied`: they had a complete state. */
  mark(ids: readonly string[], what: DiskMark): Promise<void>;
  /** Ids of all disks that were ever marked so. */
  marked(what: DiskMark): readonly string[];
  /** Where a disk was seen last. */
  lastPath(id: string): string | undefined;
}

export type DiskMark = 'protected' | 'copied';

const MARKS: readonly unknown[] = ['protected', 'copied'] satisfies DiskMark[];

interface Entry {
  readonly id: string;
  readonly key: string;
  readonly path: string;
  readonly size: number;
  readonly marks: readonly DiskMark[];
}

const parseEntry = (value: unknown, file: string): Entry => {
  const { id, key, path, size, marks } = (typeof value === 'object' && value !== null ? value : {}) as Partial<
    Record<keyof Entry, unknown>
  >;
  if (
    typeof id !== 'string' ||
    !isId(id) ||
    typeof key !== 'string' ||
    typeof path !== 'string' ||
    !Number.isSafeInteger(size) ||
    !Array.isArray(marks) ||
    !marks.every((mark) => MARKS.includes(mark))
  )
    throw damagedFile(file, 'one of its disks is none');
  return { id, key, path, size: size as number, marks: marks as DiskMark[] };
};

const parse = (value: unknown, file: string): Entry[] => {
  if (value === undefined) return [];
  const { disks } = (typeof value === 'object' && value !== null ? value : {}) as { readonly disks?: unknown };
  if (!Array.isArray(disks)) throw damagedFile(file, 'it has no list of disks');
  return disks.map((entry) => parseEntry(entry, file));
};

export const openDiskRegistry = async (file: string): Promise<DiskRegistry> => {
  const json = openJsonFile(file);
  let entries = parse(await json.read(), file);
  const save = async (changed: Entry[]): Promise<void> => {
    if (JSON.stringify(changed) === JSON.stringify(entries)) return;
    entries = changed;
    await json.write({ disks: entries });
  };

  /** A disk that became smaller is another one, whatever it says of itself. */
  const isSame = (entry: Entry, disk: FoundDisk): boolean => entry.key === disk.key && (disk.size === 0 || disk.size >= entry.size);

  const find = (found: readonly FoundDisk[]): RegisteredDisk[] =>
    found.map((disk) => ({ ...disk, id: entries.find((entry) => isSame(entry, disk))?.id ?? '' }));

  return {
    find,
    async identify(found) {
      const registered = find(found).map((disk) => ({ ...disk, id: disk.id || newId() }));
      const seen = new Map(registered.map((disk) => [disk.id, disk]));
      const kept = entries.map((entry): Entry => {
        const disk = seen.get(entry.id);
        seen.delete(entry.id);
        return disk === undefined ? entry : { ...entry, path: disk.path, size: disk.size || entry.size };
      });
      const added = [...seen.values()].map(({ id, key, path, size }): Entry => ({ id, key, path, size, marks: [] }));
      await save([...kept, ...added]);
      return registered;
    },
    mark: (ids, what) =>
      save(entries.map((entry) => (ids.includes(entry.id) ? { ...entry, marks: [...new Set([...entry.marks, what])] } : entry))),
    marked: (what) => entries.filter(({ marks }) => marks.includes(what)).map(({ id }) => id),
    lastPath: (id) => entries.find((entry) => entry.id === id)?.path,
  };
};
