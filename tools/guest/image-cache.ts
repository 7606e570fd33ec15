import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { isPresent } from '../setup/presence.ts';
import { isAlive } from './alive.ts';
import { runStep } from './build-step.ts';

/** Root of the checkout: where `node_modules` and `.guest` are. */
export const WORKSPACE = path.resolve(import.meta.dirname, '../..');

/** A short name for everything that goes into an image from here: a recipe, the files below a directory, and others. */
export const keyOfParts = async (recipe: object, parts: string, ...others: readonly string[]): Promise<string> => {
  const hash = createHash('sha256').update(JSON.stringify(recipe));
  const entries = await readdir(parts, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  for (const file of [...files.sort(), ...others]) hash.update(path.relative(WORKSPACE, file)).update(await readFile(file));
  return hash.digest('hex').slice(0, 16);
};

/** Removes an image or a half-made one, never following a mount; what cannot be removed now is tried again by the next build. */
export const removeTree = (directory: string): Promise<void> => runStep('rm', ['-rf', '--one-file-system', directory]).catch(() => {});

/** Older images of the same name, and half-made ones whose maker is gone. */
const removeStale = async (cache: string, entryName: string, name: string): Promise<void> => {
  for (const entry of await readdir(cache)) {
    const maker = /\.(\d+)\.partial$/.exec(entry)?.[1];
    const stale = maker === undefined ? entry.replace(/-[0-9a-f]{16}$/, '') === name && entry !== entryName : !isAlive(Number(maker));
    if (stale) await removeTree(path.join(cache, entry));
  }
};

const assertBuildable = (directory: string, needs: readonly string[]): void => {
  if (process.getuid?.() !== 0) {
    throw new HoldfastError('NO_PERMISSION', {
      thing: directory,
      why: 'building a guest image needs root',
      remedy: 'run this once as root',
    });
  }
  const missing = needs.find((program) => !isPresent(program));
  if (missing !== undefined) {
    throw new HoldfastError('TOOL_MISSING', {
      thing: missing,
      why: 'not on this machine',
      remedy: 'install mmdebstrap and e2fsprogs (Debian)',
    });
  }
};

export interface CachedBuild {
  readonly cache: string;
  /** Only the newest entry of a name is kept. */
  readonly name: string;
  readonly key: string;
  /** Programs that building takes. */
  readonly needs: readonly string[];
  /** Gets one line before it is built and one after; nothing when it was there. */
  readonly print: (line: string) => void;
  /** Makes it in this directory, which is there. */
  build(directory: string): Promise<void>;
}

/**
 * The directory of an entry of the cache, built first when it is not there. Built beside its place and renamed into it, so that a half-made image is never used
 * and two builders do not meet.
 */
export const fromCache = async ({ cache, name, key, needs, print, build }: CachedBuild): Promise<string> => {
  const entry = `${name}-${key}`;
  const directory = path.join(cache, entry);
  if (existsSync(directory)) return directory;
  assertBuildable(directory, needs);
  await mkdir(cache, { recursive: true });
  await removeStale(cache, entry, name);
  print(`guest: building ${entry} out of Debian packages, once …`);
  const start = performance.now();
  const partial = `${directory}.${process.pid}.partial`;
  try {
    await mkdir(partial);
    await build(partial);
    await rename(partial, directory);
  } catch (reason) {
    await removeTree(partial);
    if (!existsSync(directory)) throw reason;
  }
  print(`guest: built in ${((performance.now() - start) / 1000).toFixed(0)} s`);
  return directory;
};
