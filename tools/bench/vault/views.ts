import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { compactMachine } from '@holdfast/vault';
import { compilePrograms, WORKSPACE } from '../../bundle/compile-programs.ts';
import type { BenchContext } from '../bench.ts';
import { cpuSecondsOf } from '../cpu.ts';
import { comparePairs, type Sample } from '../measure.ts';
import { startListening } from '../nbd/servers.ts';
import type { Promised, Row } from '../row.ts';
import { type BenchVault, copyIntoVault } from './bench-vault.ts';
import { forget, MIB, writeImage } from './content.ts';

const run = promisify(execFile);

const MEBIBYTES = 512;
/** A part of the disk that is read again and again: larger than no cache of either. */
const WORKING_SET = 32;

interface Job {
  readonly measure: string;
  readonly unit: 'IOPS' | 'MB/s';
  readonly parameters: readonly string[];
  /** What is read before, and not counted. */
  readonly warmUp?: readonly string[];
  readonly promised: Promised;
}

const RANDOM = ['--rw=randread', '--bs=4k', '--iodepth=8', '--norandommap'];
const JOBS: readonly Job[] = [
  {
    measure: 'view, cold: random 4 KiB, 8 at once',
    unit: 'IOPS',
    parameters: [...RANDOM, `--size=${MEBIBYTES}m`, '--number_ios=6000'],
    promised: { goal: { atLeast: 0.25 }, stretch: { atLeast: 0.7 } },
  },
  {
    measure: 'view, cold: sequential 1 MiB, 4 at once',
    unit: 'MB/s',
    parameters: ['--rw=read', '--bs=1M', '--iodepth=4', `--size=${MEBIBYTES}m`],
    promised: { goal: { atLeast: 0.5 }, stretch: { atLeast: 1 } },
  },
  {
    measure: `view, warm: random 4 KiB in ${WORKING_SET} MiB, 8 at once`,
    unit: 'IOPS',
    parameters: [...RANDOM, `--size=${WORKING_SET}m`, '--number_ios=20000'],
    warmUp: ['--rw=read', '--bs=1M', '--iodepth=1', `--size=${WORKING_SET}m`],
    promised: { goal: { atLeast: 0.8 }, stretch: { atLeast: 1 } },
  },
];

/** Views of an image against qemu-nbd on a zstd qcow2 of it: once the keeper has compacted it, and out of the log as the first copy left it. */
export const benchViews = async (context: BenchContext): Promise<Row[]> => {
  const directory = path.join(context.directory, 'views');
  const image = path.join(context.directory, 'views.img');
  const qcow2 = path.join(context.directory, 'views.qcow2');
  await writeImage(image, MEBIBYTES);
  await run('qemu-img', ['convert', '-c', '-O', 'qcow2', '-o', 'compression_type=zstd', image, qcow2]);
  const made = await copyIntoVault(directory, image, MEBIBYTES * MIB);
  await rm(image);
  const programs = path.join(context.directory, 'views-programs');
  // As it is installed: Node's reader of TypeScript, in each of its threads, is no part of a view.
  await compilePrograms(programs, WORKSPACE, ['tools/bench/vault/serve-view.ts', 'packages/vault/src/frame-thread.ts']);
  const server = path.join(programs, 'serve-view.mjs');
  const rows: Row[] = [];
  for (const job of JOBS)
    rows.push(...(await compare(context, { ...job, measure: `${job.measure}, not compacted`, promised: {} }, made, server, qcow2)));
  await compactMachine(made.vault, made.source.machineId, { minCuts: 1 });
  for (const job of JOBS) rows.push(...(await compare(context, job, made, server, qcow2)));
  await made.vault.close();
  await rm(directory, { recursive: true });
  await rm(qcow2);
  return rows;
};

const compare = (context: BenchContext, job: Job, { directory, keyFile }: BenchVault, server: string, qcow2: string): Promise<Row[]> => {
  context.note(job.measure);
  const socket = path.join(context.directory, 'views.sock');
  const ours = [process.execPath, server, directory, keyFile, socket];
  const theirs = ['qemu-nbd', '--format=qcow2', '--read-only', '--persistent', '--shared=8', `--socket=${socket}`, qcow2];
  const side = (name: string, command: readonly string[], files: string) => ({
    name,
    run: async () => {
      await forget(files);
      await rm(socket, { force: true });
      return measure(job, name, command, socket);
    },
  });
  return comparePairs({
    measure: job.measure,
    unit: job.unit,
    ours: side('holdfast', ours, directory),
    theirs: side('qemu-nbd, zstd qcow2', theirs, qcow2),
    pairs: context.pairs,
    ...job.promised,
  });
};

const measure = async ({ parameters, unit, warmUp }: Job, name: string, command: readonly string[], socket: string): Promise<Sample> => {
  const server = await startListening(name, command, socket);
  try {
    if (warmUp !== undefined) await fio(socket, warmUp);
    const before = cpuSecondsOf(server.pid);
    const { iops, bw_bytes, io_bytes } = await fio(socket, parameters);
    return {
      value: unit === 'IOPS' ? iops : bw_bytes / 1e6,
      cpuPerGigabyte: ((cpuSecondsOf(server.pid) - before) / io_bytes) * 1e9,
    };
  } finally {
    await server.stop();
  }
};

interface FioResult {
  readonly io_bytes: number;
  readonly bw_bytes: number;
  readonly iops: number;
}

const fio = async (socket: string, parameters: readonly string[]): Promise<FioResult> => {
  const place = [`--uri=nbd+unix:///?socket=${socket}`, '--randseed=1'];
  const { stdout } = await run('fio', ['--name=view', '--ioengine=nbd', '--output-format=json', ...place, ...parameters]);
  const { jobs } = JSON.parse(stdout.slice(stdout.indexOf('{\n'))) as { jobs: { read: FioResult }[] };
  return jobs[0]!.read;
};
