import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { compactMachine } from '@holdfast/vault';
import type { BenchContext } from '../bench.ts';
import { comparePairs, measureThroughput } from '../measure.ts';
import type { Row } from '../row.ts';
import { copyIntoVault } from './bench-vault.ts';
import { forget, MIB, writeImage } from './content.ts';

const run = promisify(execFile);

const MEBIBYTES = 1024;
const CLI = path.join(import.meta.dirname, '../../../packages/cli/src/main.ts');

/**
 * `holdfast vault export` (which also tells the image's SHA-256) against `qemu-img convert` out of a zstd qcow2 of the same content, both cold, both
 * with the image on the disk in the end.
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
  const ours = ['--conditions=@holdfast/source', CLI, 'vault', 'export', '--vault', `file:${stored}`, '--key-file', keyFile, '--to', out];
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
