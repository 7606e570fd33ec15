import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { createBundleMaker, sha256 } from './make-bundle.ts';
import { ROLES, type Role } from './roles.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const HELP = `npm run bundle [-- --out DIRECTORY] [NAME…]

Makes what is installed on other machines: an archive for each role with its programs, their own Node, a systemd
unit, install.sh and uninstall.sh; and SHA256SUMS beside them. The same sources give the same bytes.

  --out DIRECTORY   where they go (default: dist/bundles); the setting install.directory of a configuration server
                    may name it
  NAME              only these: ${ROLES.map(({ name }) => name).join(', ')}`;

const choose = (names: readonly string[]): readonly Role[] =>
  names.length === 0
    ? ROLES
    : names.map((name) => {
        const role = ROLES.find((one) => one.name === name);
        if (role !== undefined) return role;
        throw new HoldfastError('SETTING_INVALID', {
          thing: name,
          why: 'there is no bundle of this name',
          remedy: `choose from ${ROLES.map((one) => one.name).join(', ')}`,
        });
      });

/** Of all bundles in the directory, those of earlier runs too: as sha256sum writes them. */
const sumsOf = async (directory: string): Promise<string> => {
  const lines: string[] = [];
  for (const file of (await readdir(directory)).sort())
    if (file.endsWith('.tar.gz')) lines.push(`${sha256(await readFile(path.join(directory, file)))}  ${file}\n`);
  return lines.join('');
};

const main = async (): Promise<void> => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { out: { type: 'string', default: path.join(ROOT, 'dist/bundles') }, help: { type: 'boolean', default: false } },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const out = path.resolve(values.out);
  await mkdir(out, { recursive: true });
  const maker = createBundleMaker(ROOT);
  for (const role of choose(positionals)) {
    const { file, content, digest } = await maker.make(role);
    await writeFile(path.join(out, file), content);
    console.log(`${file}  ${(content.length / 2 ** 20).toFixed(1)} MiB  ${digest}`);
  }
  await writeFile(path.join(out, 'SHA256SUMS'), await sumsOf(out));
  console.log(`in ${out}`);
};

try {
  await main();
} catch (reason) {
  const error = fromSystem(reason, 'bundle', 'INTERNAL');
  console.error(error.message);
  process.exitCode = error.exitCode;
}
