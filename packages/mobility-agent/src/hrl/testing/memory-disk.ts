import { HoldfastError } from '@holdfast/errors';
import { damaged } from '../damage.ts';
import type { HrlDirectory, HrlFile } from '../files.ts';

/** One operation on the files, as a kernel would have seen it. */
export type DiskOperation =
  | { readonly kind: 'create'; readonly path: string; readonly size: number }
  | { readonly kind: 'write'; readonly path: string; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'remove'; readonly path: string };

/** Bytes an operation moves: it can be torn behind each of them. */
export const operationBytes = (operation: DiskOperation): number =>
  operation.kind === 'write' ? operation.bytes.length : operation.kind === 'create' ? operation.size : 1;

/** Directories in memory which record every operation, so that the state at any instant can be had again. */
export interface MemoryDisk {
  /** To look at, to replace or to delete; `change` is for changing one. */
  readonly files: Map<string, Buffer>;
  readonly operations: readonly DiskOperation[];
  /** The bytes of a file, to be changed in place: as damage, unrecorded. */
  change(path: string): Buffer;
  directory(path: string): HrlDirectory;
  /** Does an operation, or only its first bytes. */
  apply(operation: DiskOperation, bytes?: number): void;
  /** The same files, with a record of its own. */
  clone(): MemoryDisk;
}

export interface MemoryDiskOptions {
  readonly files?: Iterable<readonly [string, Buffer]>;
  /** Called before each operation; throws to make it fail. */
  before?(operation: DiskOperation, disk: MemoryDisk): void;
}

class RecordingDisk implements MemoryDisk {
  readonly files: Map<string, Buffer>;
  readonly operations: DiskOperation[] = [];
  readonly #before: MemoryDiskOptions['before'];
  /** Files whose bytes no clone shares. */
  readonly #own = new Set<string>();

  constructor({ files = [], before }: MemoryDiskOptions) {
    this.files = new Map(files);
    this.#before = before;
  }

  clone(): MemoryDisk {
    this.#own.clear();
    return new RecordingDisk({ files: this.files });
  }

  apply(operation: DiskOperation, bytes = operationBytes(operation)): void {
    const { kind, path } = operation;
    if (kind === 'create') this.#create(path, Math.min(bytes, operation.size));
    else if (kind === 'write') this.change(path).set(operation.bytes.subarray(0, bytes), operation.offset);
    else if (bytes > 0) this.files.delete(path);
  }

  change(path: string): Buffer {
    const shared = this.#find(path);
    if (this.#own.has(path)) return shared;
    const content = Buffer.from(shared);
    this.files.set(path, content);
    this.#own.add(path);
    return content;
  }

  run(operation: DiskOperation): void {
    this.#before?.(operation, this);
    this.operations.push(operation);
    this.apply(operation);
  }

  directory(directory: string): HrlDirectory {
    const prefix = `${directory}/`;
    return {
      path: directory,
      list: () =>
        [...this.files.keys()]
          .filter((path) => path.startsWith(prefix))
          .map((path) => path.slice(prefix.length))
          .sort(),
      open: (name) => this.#open(prefix + name),
      create: (name, size) => {
        this.run({ kind: 'create', path: prefix + name, size });
        return this.#open(prefix + name);
      },
      createLater: async (name, size) => {
        await Promise.resolve();
        this.run({ kind: 'create', path: prefix + name, size });
        return this.#open(prefix + name);
      },
      remove: (name) => this.run({ kind: 'remove', path: prefix + name }),
      close: () => undefined,
    };
  }

  #create(path: string, size: number): void {
    this.files.set(path, Buffer.alloc(size));
    this.#own.add(path);
  }

  #find(path: string): Buffer {
    const content = this.files.get(path);
    if (content === undefined) throw new Error(`no file ${path}`);
    return content;
  }

  #open(path: string): HrlFile {
    const { length } = this.#find(path);
    const read = (offset: number, target: Uint8Array): void => {
      const content = this.#find(path);
      if (offset + target.length > content.length) throw damaged(path, content.length, 'the file ends too early');
      target.set(content.subarray(offset, offset + target.length));
    };
    return {
      path,
      size: length,
      read,
      readLater: async (offset, target) => read(offset, target),
      write: (offset, ...parts) => {
        const bytes = Buffer.concat(parts);
        if (offset + bytes.length > length) throw new Error(`a write reaches behind the end of ${path}`);
        this.run({ kind: 'write', path, offset, bytes });
      },
      close: () => undefined,
    };
  }
}

/** `files` are shared until they change. */
export const createMemoryDisk = (options: MemoryDiskOptions = {}): MemoryDisk => new RecordingDisk(options);

export const noSpace = (path: string): HoldfastError =>
  new HoldfastError('NO_SPACE', { thing: path, why: 'the device is full', remedy: 'free space' });
