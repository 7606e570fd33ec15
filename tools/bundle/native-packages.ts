import { existsSync } from 'node:fs';
import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { ArchiveFile } from './tar.ts';

/** What the bundles are made for. */
export const PLATFORM = 'linux-x64';

/** Native code of other platforms than ours, as the packages name it. */
const FOREIGN = /(^|\/)prebuilds\/(?!linux-x64\/)|\.musl\.node$|(^|\/)musl_x64\//;
/** What runs, and what tells Node how. */
const WANTED = /\.(c?js|mjs|node)$|(^|\/)package\.json$/;
/** What they bring for their makers. */
const UNWANTED = /(^|\/)(deps|docs?|tests?|vendor)\//;

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The packages named, and all that they need on this platform: directories relative to the root, sorted. */
export const closureOf = async (root: string, names: readonly string[]): Promise<string[]> => {
  const found = new Set<string>();
  const visit = async (name: string, from: string): Promise<void> => {
    const directory = locate(root, name, from);
    // What is optional is installed for this platform only.
    if (directory === undefined || found.has(directory)) return;
    found.add(directory);
    const { dependencies, optionalDependencies } = JSON.parse(
      await readFile(path.join(root, directory, 'package.json'), 'utf8'),
    ) as Manifest;
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) await visit(needed, directory);
  };
  for (const name of names) await visit(name, '');
  return [...found].sort();
};

/** Where Node finds a package for files of the directory `from`. */
const locate = (root: string, name: string, from: string): string | undefined => {
  for (let at = from; ; at = path.dirname(at)) {
    const directory = path.join(at === '.' ? '' : at, 'node_modules', name);
    if (existsSync(path.join(root, directory, 'package.json'))) return directory;
    if (at === '' || at === '.') return undefined;
  }
};

/** The files of a package that run on this platform, at the place where they are in the tree. */
export const runningFiles = async (root: string, directory: string): Promise<ArchiveFile[]> => {
  const files: ArchiveFile[] = [];
  for await (const entry of glob('**/*', { cwd: path.join(root, directory), withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const absolute = path.join(entry.parentPath, entry.name);
    const inside = path.relative(path.join(root, directory), absolute);
    if (inside.startsWith('node_modules/') || FOREIGN.test(inside) || UNWANTED.test(inside) || !WANTED.test(inside)) continue;
    files.push({ path: path.join(directory, inside), content: await readFile(absolute) });
  }
  return files;
};
