import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Bench, BenchContext } from '../bench.ts';
import { cpuSecondsOf } from '../cpu.ts';
import { comparePairs, type Sample } from '../measure.ts';
import { type FileServer, type ServerName, startServer } from '../nbd/servers.ts';
import type { Promised, Row } from '../row.ts';

const run = promisify(execFile);

const IMAGE_MEBIBYTES = 512;
const SECONDS = 1;

interface Job {
  readonly measure: string;
  readonly unit: 'IOPS' | 'MB/s';
  readonly parameters: readonly string[];
}

const JOBS: readonly Job[] = [
  { measure: 'random read 4 KiB, 32 at once', unit: 'IOPS', parameters: ['--rw=randread', '--bs=4k', '--iodepth=32'] },
  { measure: 'random write 4 KiB, 32 at once', unit: 'IOPS', parameters: ['--rw=randwrite', '--bs=4k', '--iodepth=32'] },
  { measure: 'sequential read 1 MiB, 4 at once', unit: 'MB/s', parameters: ['--rw=read', '--bs=1M', '--iodepth=4'] },
  { measure: 'sequential write 1 MiB, 4 at once', unit: 'MB/s', parameters: ['--rw=write', '--bs=1M', '--iodepth=4'] },
];

/** qemu-nbd does the same by the same means; nbdkit's file plugin is close to the least that is possible. */
const RIVALS: readonly (readonly [ServerName, Promised])[] = [
  ['qemu-nbd', { goal: { atLeast: 0.7 }, stretch: { atLeast: 1 } }],
  ['nbdkit file', {}],
];

/** Our NBD server on a file in the page cache against others on the same file. CPU is the server's alone. */
export const bench: Bench = {
  name: 'nbd',
  about: 'our NBD server on a file against qemu-nbd and nbdkit on the same file, fio as the client',
  tools: ['nbd', 'load'],
  run: async (context) => {
    const image = path.join(context.directory, 'disk.img');
    await fillImage(image);
    const ours = await startServer('holdfast', image, context.directory);
    try {
      const rows: Row[] = [];
      for (const [name, promised] of RIVALS) {
        const theirs = await startServer(name, image, context.directory);
        try {
          for (const job of JOBS) rows.push(...(await compare(context, job, ours, theirs, promised)));
        } finally {
          await theirs.stop();
        }
      }
      return rows;
    } finally {
      await ours.stop();
    }
  },
};

const compare = ({ pairs, note }: BenchContext, job: Job, ours: FileServer, theirs: FileServer, promised: Promised): Promise<Row[]> => {
  note(`${job.measure}: ours and ${theirs.name}`);
  const side = (server: FileServer) => ({ name: server.name, run: () => measure(job, server) });
  return comparePairs({ measure: job.measure, unit: job.unit, ours: side(ours), theirs: side(theirs), pairs, ...promised });
};

const measure = async ({ parameters, unit }: Job, { pid, uri }: FileServer): Promise<Sample> => {
  const before = cpuSecondsOf(pid);
  const place = [`--uri=${uri}`, `--size=${IMAGE_MEBIBYTES}m`, '--norandommap', `--runtime=${SECONDS}`, '--time_based'];
  const { stdout } = await run('fio', ['--name=nbd', '--ioengine=nbd', '--output-format=json', ...place, ...parameters]);
  const cpu = cpuSecondsOf(pid) - before;
  const { jobs } = JSON.parse(stdout.slice(stdout.indexOf('{\n'))) as { jobs: { read: FioResult; write: FioResult }[] };
  const { read, write } = jobs[0]!;
  const bytes = read.io_bytes + write.io_bytes;
  return {
    value: unit === 'IOPS' ? read.iops + write.iops : (read.bw_bytes + write.bw_bytes) / 1e6,
    cpuPerGigabyte: (cpu / bytes) * 1e9,
  };
};

interface FioResult {
  readonly io_bytes: number;
  readonly bw_bytes: number;
  readonly iops: number;
}

/** Written, not only made long: holes are served from nowhere. */
const fillImage = async (image: string): Promise<void> => {
  const file = await open(image, 'wx');
  const mebibyte = Buffer.alloc(1 << 20, 'holdfast');
  for (let count = 0; count < IMAGE_MEBIBYTES; count += 1) await file.write(mebibyte);
  await file.close();
};
