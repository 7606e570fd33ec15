import { HoldfastError } from '@holdfast/errors';
import type { JournalDirectory, JournalFile } from '../files.ts';

/** What happened to the files, in order; `note` is what the test did at that moment. */
export type Operation =
  /** The file has that size now; one that is made has half of it first. */
  | { readonly kind: 'create'; readonly name: string; readonly size: number }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'write'; readonly name: string; readonly offset: number; readonly bytes: Buffer }
  /** Everything written to the file before operation `since` is on the disk. */
  | { readonly kind: 'synced'; readonly name: string; readonly since: number }
  | { readonly kind: 'note'; readonly text: string };

/** A directory in memory that records all that happens, so that the disk can be had as a crash at any moment would have left it. */
export interface MemoryDirectory extends JournalDirectory {
  readonly operations: Operation[];
  readonly files: Map<string, Buffer>;
  note(text: string): void;
  /** The same directory as a process sees it that starts after this one was killed: what this one still does is not seen there. */
  afterKill(): MemoryDirectory;
  /** The same after a power failure. */
  afterPowerFailure(fate: Fate): MemoryDirectory;
  /** Bytes there are; creating more fails. */
  capacity: number;
  /** Sync does nothing: a disk that lies. */
  lying: boolean;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export const createMemoryDirectory = (
  contents: Iterable<readonly [string, Buffer]> = [],
  past: readonly Operation[] = [],
): MemoryDirectory => {
  const files = new Map<string, Buffer>([...contents].map(([name, bytes]) => [name, Buffer.from(bytes)]));
  const operations: Operation[] = [...past];

  const open = (name: string): JournalFile => {
    const bytes = files.get(name);
    if (bytes === undefined) throw new Error(`no file ${name}`);
    return {
      name,
      size: bytes.length,
      async read(offset, target) {
        await turn();
        bytes.copy(target, 0, offset, offset + target.length);
      },
      async write(offset, ...parts) {
        const content = Buffer.concat(parts);
        if (offset + content.length > bytes.length) throw new Error(`a write reaches behind the end of ${name}`);
        content.copy(bytes, offset);
        operations.push({ kind: 'write', name, offset, bytes: content });
        await turn();
      },
      async sync() {
        const since = operations.length;
        await turn();
        await turn();
        if (!directory.lying) operations.push({ kind: 'synced', name, since });
      },
      close: async () => undefined,
    };
  };

  const directory: MemoryDirectory = {
    path: '/memory',
    operations,
    files,
    capacity: Number.POSITIVE_INFINITY,
    lying: false,
    afterKill: () => createMemoryDirectory(files, operations),
    afterPowerFailure: (fate) => {
      const left = filesAfter(operations, operations.length, fate);
      const past = [...left].flatMap(([name, bytes], index): Operation[] => [
        { kind: 'create', name, size: bytes.length },
        { kind: 'write', name, offset: 0, bytes },
        { kind: 'synced', name, since: 3 * index + 2 },
      ]);
      return createMemoryDirectory(left, past);
    },
    note: (text) => void operations.push({ kind: 'note', text }),
    list: async () => [...files.keys()],
    open: async (name) => open(name),
    async create(name, size) {
      const used = [...files.values()].reduce((sum, { length }) => sum + length, 0);
      if (used + size > directory.capacity)
        throw new HoldfastError('NO_SPACE', { thing: name, why: 'the disk is full', remedy: 'free space' });
      for (const part of [size >> 1, size]) {
        files.set(name, Buffer.alloc(part));
        operations.push({ kind: 'create', name, size: part });
        await turn();
      }
      return open(name);
    },
    async remove(name) {
      files.delete(name);
      operations.push({ kind: 'remove', name });
    },
  };
  return directory;
};

/** What becomes of a write that no sync covers when the power fails: how many of its bytes reach the disk. */
export type Fate = (write: { readonly name: string; readonly offset: number; readonly bytes: Buffer }, index: number) => number;

/** All of it: what a killed process leaves. */
export const kept: Fate = ({ bytes }) => bytes.length;

/** The files when the world stopped behind operation `count`, the last one torn behind `torn` bytes. */
export const filesAfter = (operations: readonly Operation[], count: number, fate: Fate, torn?: number): Map<string, Buffer> => {
  const files = new Map<string, Buffer>();
  const happened = operations.slice(0, count);
  /** By file: the writes before which operation are on the disk. */
  const synced = new Map<string, number>();
  for (const operation of happened)
    if (operation.kind === 'synced') synced.set(operation.name, Math.max(synced.get(operation.name) ?? 0, operation.since));
  for (const [index, operation] of happened.entries()) {
    if (operation.kind === 'create') files.set(operation.name, Buffer.alloc(operation.size));
    else if (operation.kind === 'remove') files.delete(operation.name);
    else if (operation.kind === 'write') {
      const { name, offset, bytes } = operation;
      const isSafe = index < (synced.get(name) ?? 0);
      const length = index === count - 1 && torn !== undefined ? torn : isSafe ? bytes.length : fate(operation, index);
      bytes.copy(files.get(name)!, offset, 0, length);
    }
  }
  return files;
};
