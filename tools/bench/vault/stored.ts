import { execFile } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { open, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { BLOCK_SIZE } from '@holdfast/block';
import { keepMachine, openLogWriter, type Vault } from '@holdfast/vault';
import type { BenchContext } from '../bench.ts';
import { createRow, type Row } from '../row.ts';
import { copyIntoVault } from './bench-vault.ts';
import { MIB, writeImage } from './content.ts';
import { blockFrames } from './source.ts';

const run = promisify(execFile);

const MEBIBYTES = 512;
const CUTS = 24;
/** One per cent of the disk in a day, anywhere. */
const BLOCKS_A_CUT = Math.round((MEBIBYTES * MIB) / BLOCK_SIZE / 100 / CUTS);

/** How much a vault and a restic repository grow by a day of random 4 KiB writes: 24 cuts, compacted, and one backup at the end of the day. */
export const benchStored = async ({ directory, note }: BenchContext): Promise<Row[]> => {
  note('a day of random writes: ours and restic');
  const image = path.join(directory, 'stored.img');
  const repository = path.join(directory, 'restic');
  const secret = path.join(directory, 'restic.password');
  await writeImage(image, MEBIBYTES);
  await run('sh', ['-c', `head -c 32 /dev/urandom | base64 > '${secret}'`]);
  const restic = (...parameters: string[]) =>
    run('restic', ['--quiet', '--repo', repository, '--password-file', secret, '--no-cache', ...parameters]);
  await restic('init');
  await restic('backup', image);
  const folder = path.join(directory, 'stored');
  const { vault, source, directory: stored } = await copyIntoVault(folder, image, MEBIBYTES * MIB);
  await keep(vault, source.machineId);
  const before = { ours: await bytesIn(stored), theirs: await bytesIn(repository) };

  const disk = await open(image, 'r+');
  const writer = await openLogWriter(vault, source.machineId, { checkpoint: { slots: 1 } });
  for (let cut = 0; cut < CUTS; cut += 1) {
    const blocks = new Set<number>();
    while (blocks.size < BLOCKS_A_CUT) blocks.add(Math.floor(Math.random() * ((MEBIBYTES * MIB) / BLOCK_SIZE)));
    const data = randomFillSync(Buffer.alloc(blocks.size * BLOCK_SIZE));
    for (const [i, block] of [...blocks].entries()) await disk.write(data, i * BLOCK_SIZE, BLOCK_SIZE, block * BLOCK_SIZE);
    source.time += 3_600_000;
    await source.cut(writer, await blockFrames([...blocks], data));
  }
  await writer.close();
  await disk.close();
  await keep(vault, source.machineId);
  await restic('backup', image);
  const grown = { ours: (await bytesIn(stored)) - before.ours, theirs: (await bytesIn(repository)) - before.theirs };
  await vault.close();
  for (const made of [image, secret, repository, folder]) await rm(made, { recursive: true });
  return [
    createRow(
      { measure: 'stored after a day of random 4 KiB writes, 1 %', unit: 'MB' },
      [grown.ours / 1e6],
      { name: 'restic', samples: [grown.theirs / 1e6] },
      { goal: { atMost: 0.1 } },
    ),
  ];
};

/** Twice, without any grace: what the first pass put into other objects the second one deletes. */
const keep = async (vault: Vault, machineId: string): Promise<void> => {
  for (let pass = 0; pass < 2; pass += 1) await keepMachine(vault, machineId, { policy: '72h', minCuts: 1, grace: 0 });
};

const bytesIn = async (directory: string): Promise<number> => {
  let sum = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) sum += (await stat(path.join(entry.parentPath, entry.name))).size;
  return sum;
};
