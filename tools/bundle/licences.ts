import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string | { readonly type: string };
}

const LICENCE_FILE = /^(licen[cs]e|copying|notice)([.-].*)?$/i;
const LINE = '='.repeat(80);

/** The licences of packages: name, version and every licence text of each, one after another. */
export const licencesOf = async (root: string, directories: readonly string[]): Promise<string> => {
  const parts: string[] = [];
  for (const directory of [...directories].sort()) {
    const { name, version, license } = JSON.parse(await readFile(path.join(root, directory, 'package.json'), 'utf8')) as Manifest;
    const texts: string[] = [];
    for (const file of (await readdir(path.join(root, directory))).sort())
      if (LICENCE_FILE.test(file)) texts.push((await readFile(path.join(root, directory, file), 'utf8')).trim());
    const kind = typeof license === 'string' ? license : (license?.type ?? 'see its text');
    parts.push([LINE, `${name} ${version}: ${kind}`, LINE, ...texts.flatMap((text) => ['', text]), ''].join('\n'));
  }
  return parts.join('\n');
};
