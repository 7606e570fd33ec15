import { execFile } from 'node:child_process';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { compactMachine } from '@holdfast/vault';
import { compile } from '../../bundle/compile.ts';
import { ROLES } from '../../bundle/roles.ts';
import type { BenchContext } from '../bench.ts';
import { comparePairs, measureThroughput } from '../measure.ts';
import type { Row } from '../row.ts';
import { copyIntoVault } from './bench-vault.ts';
import { forget, MIB, writeImage } from './content.ts';

const run = promisify(execFile);

const MEBIBYTES = 1024;
const ROOT = path.join(import.meta.dirname, '../../..');

/**
 * `holdfast vault export` (which also tells the image's SHA-256) against `qemu-img convert` out of a zstd qcow2 of the same content, both cold, both
 * with the image on the disk in the end. Ours is the program that is installed, not its sources: qemu-img is compiled as well.
 */
export const benchExport = async ({ directory, pairs, note }: BenchContext): Promise<Row[]> => {
  note('export: ours and qemu-img');
  const folder = path.join(directory, 'export');
  const image = path.join(directory, 'export.img');
  const qcow2 = path.join(directory, 'export.qcow2');
  const out = path.join(directory, 'export.out');
  await writeImage(image, MEBIBYTES);
  await run('qemu-img', ['convert', '-c', '-O', 'qcow2', '-o', 'compression_type=zstd', image, qcow2]);
  const { vault, source, directory: stored, keyFile } = await copyIntoVault(folder, image, MEBIBYTES * MIB);
  await rm(image);
  await compactMachine(vault, source.machineId, { minCuts: 1 });
  await vault.close();
  const side = (name: string, files: string, program: string, ...parameters: readonly string[]) => ({
    name,
    run: async () => {
      await rm(out, { force: true });
      await forget(files);
      return measureThroughput(MEBIBYTES * MIB, () => run(program, parameters));
    },
  });
  const ours = [
    await buildCli(path.join(directory, 'lib')),
    'vault',
    'export',
    '--vault',
    `file:${stored}`,
    '--key-file',
    keyFile,
    '--to',
    out,
  ];
  const rows = await comparePairs({
    measure: 'export',
    unit: 'MB/s',
    ours: side('holdfast', stored, process.execPath, ...ours),
    theirs: side('qemu-img convert, zstd qcow2', qcow2, 'qemu-img', 'convert', '-t', 'writeback', '-f', 'qcow2', '-O', 'raw', qcow2, out),
    pairs,
    goal: { atLeast: 0.8 },
  });
  await rm(folder, { recursive: true });
  await rm(out);
  await rm(qcow2);
  return rows;
};

/** The command line and its threads as a bundle has them; resolves to its main file. */
const buildCli = async (directory: string): Promise<string> => {
  const { programs, threads } = ROLES.find(({ name }) => name === 'holdfast')!;
  await mkdir(directory);
  await symlink(path.join(ROOT, 'node_modules'), path.join(directory, 'node_modules'));
  for (const program of [...programs, ...threads])
    await writeFile(path.join(directory, `${program.name}.mjs`), (await compile(ROOT, program)).code);
  return path.join(directory, `${programs[0]!.name}.mjs`);
};
