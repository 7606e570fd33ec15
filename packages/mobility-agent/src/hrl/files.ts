/** One preallocated file of the log. Writes reach the page cache before they return: that is what outlives a SIGKILL. */
export interface HrlFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Fills `target`; DAMAGED when the file ends before. */
  read(offset: number, target: Uint8Array): void;
  /** The same without holding up the process. */
  readLater(offset: number, target: Uint8Array): Promise<void>;
  /** Writes the parts one behind the other. */
  write(offset: number, ...parts: readonly Uint8Array[]): void;
  close(): void;
}

/** A directory of the log. The indirection lets a test cut the sequence of all operations at every byte. */
export interface HrlDirectory {
  readonly path: string;
  /** Names of the files in it. */
  list(): string[];
  open(name: string): HrlFile;
  /** A new file full of zeroes, its room taken on the device for good. NO_SPACE when there is not enough; no file is left then. */
  create(name: string, size: number): HrlFile;
  /** The same without holding up the process. */
  createLater(name: string, size: number): Promise<HrlFile>;
  remove(name: string): void;
  close(): void;
}
