/** One preallocated file of the journal. */
export interface JournalFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Fills `target` from `offset`. */
  read(offset: number, target: Uint8Array): Promise<void>;
  /** Writes the parts one behind the other; calls may overlap. */
  write(offset: number, ...parts: readonly Uint8Array[]): Promise<void>;
  /** Resolves when all that was written survives a power loss. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The journal's directory. The indirection lets a test stop the world before, within and behind every write. */
export interface JournalDirectory {
  readonly path: string;
  /** Names of the files in it. */
  list(): Promise<string[]>;
  open(name: string): Promise<JournalFile>;
  /** A new file full of zeroes, its room taken and its name on the disk for good. NO_SPACE when there is not enough; no file is left then. */
  create(name: string, size: number): Promise<JournalFile>;
  remove(name: string): Promise<void>;
}
