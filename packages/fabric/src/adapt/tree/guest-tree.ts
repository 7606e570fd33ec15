/** The files of a machine that does not run, by the paths they have there. What it asks for outside of itself does not exist. */
export interface GuestTree {
  /** Undefined when there is no such file, or a larger one than so many bytes: 4 MiB unless told, the most a text has. */
  read(path: string, limit?: number): Promise<Buffer | undefined>;
  /** Names in a directory, sorted; empty when there is none. */
  list(path: string): Promise<string[]>;
  /** What a path leads to when every link on the way is followed. */
  kind(path: string): Promise<'file' | 'directory' | 'other' | undefined>;
}

/** A tree that is changed. */
export interface WritableTree extends GuestTree {
  /** Puts content into a file, in its place when it exists (it keeps owner and mode then); directories on the way are made. */
  write(path: string, content: Uint8Array, mode?: number): Promise<void>;
  /** Removes a file; nothing happens when there is none. */
  remove(path: string): Promise<void>;
}

export const readText = async (tree: GuestTree, path: string): Promise<string | undefined> => (await tree.read(path))?.toString('utf8');

/** Files below a directory whose names the pattern fits, by their paths. */
export const filesIn = async (tree: GuestTree, directory: string, pattern: RegExp): Promise<string[]> =>
  (await tree.list(directory)).filter((name) => pattern.test(name)).map((name) => `${directory}/${name}`);
