import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { compile } from './compile.ts';

/** Root of this tree. */
export const WORKSPACE = path.resolve(import.meta.dirname, '../..');

/**
 * Compiles programs of this tree, each into a file NAME.mjs of `directory`, as they are installed. Native code is taken from the tree, which is at `tree`
 * where they run: the emulated processor of a guest takes half a minute to start one from its many sources, and some seconds to start one file. Paths of
 * mains are relative to the tree.
 */
export const compilePrograms = async (directory: string, tree: string, mains: readonly string[]): Promise<void> => {
  await mkdir(directory, { recursive: true });
  await symlink(path.posix.join(tree, 'node_modules'), path.join(directory, 'node_modules'));
  for (const main of mains) {
    const { code } = await compile(WORKSPACE, { name: path.basename(main, '.ts'), main });
    await writeFile(path.join(directory, `${path.basename(main, '.ts')}.mjs`), code);
  }
};
