/** A file of an archive. */
export interface ArchiveFile {
  /** With `/` between directories, relative. */
  readonly path: string;
  readonly content: Uint8Array;
  readonly executable?: boolean;
}

const BLOCK = 512;
/** 1985-10-26T08:15:00Z, in seconds: the time npm gives to all files of its archives, old enough to be nobody's future. */
export const ARCHIVE_TIME = 499_162_500;

/**
 * A tar archive (POSIX.1-1988 ustar) of regular files and their directories, owned by root. The same files give the same bytes in whatever
 * order they come: sorted, and all of one time. In parts, one behind the other: contents of files as they were given, and what stands between. Throws when a path is longer than 255 bytes or cannot be split for the format.
 */
export const tarOf = (files: readonly ArchiveFile[]): readonly Buffer[] => {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  const directories = new Set<string>();
  const parts: Buffer[] = [];
  for (const { path, content, executable = false } of sorted) {
    for (const directory of parentsOf(path)) {
      if (directories.has(directory)) continue;
      directories.add(directory);
      parts.push(header(`${directory}/`, 0o755, 0, '5'));
    }
    parts.push(header(path, executable ? 0o755 : 0o644, content.length, '0'));
    parts.push(Buffer.from(content.buffer, content.byteOffset, content.byteLength), Buffer.alloc(-content.length & (BLOCK - 1)));
  }
  // Two empty blocks end it.
  parts.push(Buffer.alloc(2 * BLOCK));
  return parts;
};

const parentsOf = (path: string): string[] => {
  const names = path.split('/').slice(0, -1);
  return names.map((_, at) => names.slice(0, at + 1).join('/'));
};

const header = (path: string, mode: number, size: number, type: string): Buffer => {
  const block = Buffer.alloc(BLOCK);
  const { name, prefix } = split(path);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(name, 0);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(ARCHIVE_TIME, 11), 136);
  // The sum is taken with blanks in its own place.
  block.write(' '.repeat(8), 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  block.write('root', 265);
  block.write('root', 297);
  block.write(prefix, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
};

const NAME_BYTES = 100;
const PREFIX_BYTES = 155;

/** A path of more than 100 bytes is split at a `/` into two fields. */
const split = (path: string): { readonly name: string; readonly prefix: string } => {
  if (Buffer.byteLength(path) <= NAME_BYTES) return { name: path, prefix: '' };
  for (let at = path.indexOf('/'); at !== -1 && at < path.length - 1; at = path.indexOf('/', at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    if (Buffer.byteLength(name) <= NAME_BYTES && Buffer.byteLength(prefix) <= PREFIX_BYTES) return { name, prefix };
  }
  throw new Error(`${path} is too long for a tar archive`);
};
