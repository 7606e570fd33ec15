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

/**
 * A file as text, a character for every byte: what a file of another machine is encoded in nobody knows, and what is not changed of it has to stay as it is.
 * `readable` makes words for people out of it.
 */
export const readText = async (tree: GuestTree, path: string): Promise<string | undefined> => (await tree.read(path))?.toString('latin1');

/** The way back: text that `readText` gave, changed. What is added has to be ASCII. */
export const writeText = (tree: WritableTree, path: string, text: string, mode?: number): Promise<void> =>
  tree.write(path, Buffer.from(text, 'latin1'), mode);

/** Bytes beyond ASCII that stand in a text for what they are, read as UTF-8 where they are that. */
export const readable = (text: string): string =>
  text.replaceAll(/[\u0080-\u00ff]+/g, (bytes) => {
    const told = Buffer.from(bytes, 'latin1').toString('utf8');
    return told.includes('\ufffd') ? bytes : told;
  });

/** Words of a line. Blanks and tabs alone part them: a byte that means a blank in some encoding is part of a letter in another. */
export const wordsOf = (line: string): string[] => line.split(/[ \t\r]+/).filter((word) => word !== '');

/** Files below a directory whose names the pattern fits, by their paths. */
export const filesIn = async (tree: GuestTree, directory: string, pattern: RegExp): Promise<string[]> =>
  (await tree.list(directory)).filter((name) => pattern.test(name)).map((name) => `${directory}/${name}`);
