import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { openLogWriter } from '@holdfast/vault';
import type { BenchContext } from '../bench.ts';
import { comparePairs, measureThroughput, type Sample } from '../measure.ts';
import type { Row } from '../row.ts';
import { createBenchVault } from './bench-vault.ts';
import { MIB, writeImage } from './content.ts';
import { type FrameSource, openFrameSource } from './frame-source.ts';

const MEBIBYTES = 512;

/**
 * A first copy into a folder, from reading the image to "durable", against a shell pipe that compresses, encrypts and syncs and can do nothing else. What runs
 * all the time where Holdfast does, an agent's threads, runs before the first turn.
 */
export const benchAppend = async ({ directory, pairs, note }: BenchContext): Promise<Row[]> => {
  note('append: ours and the pipe');
  const image = path.join(directory, 'append.img');
  await writeImage(image, MEBIBYTES);
  const frames = openFrameSource();
  const rows = await comparePairs({
    measure: 'append',
    unit: 'MB/s',
    ours: { name: 'holdfast', run: () => append(image, directory, frames) },
    theirs: { name: 'lz4 | openssl | dd', run: () => pipe(image, path.join(directory, 'append.out')) },
    pairs,
    goal: { atLeast: 1 },
    stretch: { atLeast: 1.3 },
  });
  await frames.close();
  await rm(image);
  return rows;
};

const append = async (image: string, directory: string, frames: FrameSource): Promise<Sample> => {
  const folder = await mkdtemp(path.join(directory, 'append-'));
  const { vault, source } = await createBenchVault(folder, MEBIBYTES * MIB);
  const writer = await openLogWriter(vault, source.machineId, { inFlight: 8 });
  const sample = await measureThroughput(MEBIBYTES * MIB, () => source.copy(writer, image, frames));
  await writer.close();
  await vault.close();
  await rm(folder, { recursive: true });
  return sample;
};

const pipe = async (image: string, out: string): Promise<Sample> => {
  const line = `lz4 -1 -c '${image}' | openssl enc -aes-256-ctr -K ${'5a'.repeat(32)} -iv ${'00'.repeat(16)} | dd of='${out}' bs=1M iflag=fullblock conv=fdatasync status=none`;
  const sample = await measureThroughput(MEBIBYTES * MIB, async () => {
    const child = spawn('sh', ['-c', line], { stdio: ['ignore', 'inherit', 'inherit'] });
    const [code] = await once(child, 'exit');
    if (code !== 0)
      throw new HoldfastError('IO_FAILED', { thing: 'the pipe', why: `it ended with ${code}`, remedy: 'look at what it said' });
  });
  await rm(out);
  return sample;
};
