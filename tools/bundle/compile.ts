import path from 'node:path';
import { build, type Metafile } from 'esbuild';
import type { BundledProgram } from './roles.ts';

/** A program in one file. */
export interface CompiledProgram {
  readonly name: string;
  /** An ES module. */
  readonly code: Uint8Array;
  /** Packages whose code is in it, as directories below node_modules, relative to the root. */
  readonly packages: readonly string[];
  /** Packages that it loads from beside it: those with native code. */
  readonly natives: readonly string[];
}

/** Packages that find their native code by their own place, and so cannot be part of one file. */
const NATIVES = ['koffi', 'lz4-napi', 'classic-level'];

/** Packages of CommonJS inside call `require`, which ES modules do not have. */
const BANNER = `import { createRequire as holdfastCreateRequire } from 'node:module';
const require = holdfastCreateRequire(import.meta.url);`;

/** Compiles a program and all it imports, but for native packages, into one file. The same sources give the same bytes anywhere. */
export const compile = async (root: string, { name, main }: BundledProgram): Promise<CompiledProgram> => {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [main],
    outfile: `${name}.mjs`,
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    conditions: ['@holdfast/source'],
    external: NATIVES,
    banner: { js: BANNER },
    legalComments: 'none',
    logLevel: 'error',
  });
  return { name, code: outputFiles[0]!.contents, packages: packagesOf(metafile), natives: nativesOf(metafile) };
};

const PACKAGE = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/;

const packagesOf = ({ inputs }: Metafile): string[] =>
  [...new Set(Object.keys(inputs).flatMap((file) => PACKAGE.exec(file.split(path.sep).join('/'))?.[0] ?? []))].sort();

const nativesOf = ({ outputs }: Metafile): string[] =>
  [
    ...new Set(
      Object.values(outputs).flatMap(({ imports }) => imports.filter(({ external, path: name }) => external && NATIVES.includes(name))),
    ),
  ]
    .map(({ path: name }) => name)
    .filter((name, at, all) => all.indexOf(name) === at)
    .sort();
