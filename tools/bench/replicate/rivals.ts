import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { measureThroughput, type Sample } from '../measure.ts';

/** Runs a line of shell; what it and its children use of the processor is known when it has ended. */
const shell = async (line: string): Promise<void> => {
  const child = spawn('bash', ['-c', `set -o pipefail; ${line}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new HoldfastError('IO_FAILED', { thing: line, why: `it ended with ${code}`, remedy: 'look at what it said' });
};

/** Compresses, encrypts and syncs: all that any copy has to do, and nothing else. */
export const runPipe = async (image: string, bytes: number, directory: string): Promise<Sample> => {
  const out = path.join(directory, 'pipe.out');
  const encrypt = `openssl enc -aes-256-ctr -K ${'5a'.repeat(32)} -iv ${'00'.repeat(16)}`;
  const line = `cat '${image}' | lz4 -1 | ${encrypt} | dd of='${out}' bs=1M iflag=fullblock conv=fdatasync status=none`;
  const sample = await measureThroughput(bytes, () => shell(line));
  await rm(out);
  return sample;
};

/** `restic backup` into a new repository, whose files it syncs itself; making that is not counted. */
export const runRestic = async (image: string, bytes: number, directory: string): Promise<Sample> => {
  const repository = path.join(directory, 'restic');
  const secret = path.join(directory, 'restic.password');
  await writeFile(secret, randomBytes(24).toString('base64'), { mode: 0o600 });
  const restic = `restic --quiet --no-cache --repo '${repository}' --password-file '${secret}'`;
  await shell(`${restic} init`);
  const sample = await measureThroughput(bytes, () => shell(`${restic} backup '${image}'`));
  await rm(repository, { recursive: true });
  return sample;
};
