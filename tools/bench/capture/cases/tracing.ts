import { closeSync, existsSync, fsyncSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { createWriteTrace, type WriteSink } from '@holdfast/mobility-agent';
import { newId } from '@holdfast/protocol';
import { devicesBelow } from '../../../lab/host/disks-below.ts';
import { cpuSecondsOf } from '../../cpu.ts';
import { createRow, type Row } from '../../row.ts';
import type { CaptureCase } from '../capture-case.ts';
import { startCapture } from '../capture-process.ts';
import { followedDevice } from '../followed-device.ts';
import { createLoadDisk } from '../load-disk.ts';
import { startSteadyLoad } from '../steady-load.ts';

const SIZE = 256 * 1024 * 1024;
const BUFFER_BYTES = 32 * 1024 * 1024;
const DEPTH = 32;
const SECONDS = 2;
/** What is compared is small, and other processes of the machine are not: many short runs, that each of them meets alike. */
const RUNS_A_PAIR = 2;
const WARM_UP = 1;
/** Of one run, where a busy machine let a ring overflow. */
const ATTEMPTS = 5;
const PROMISED = { goal: { atLeast: 0.93 }, stretch: { atLeast: 0.97 } };

const DEAF: WriteSink = { issued: () => undefined, requeued: () => undefined, completed: () => undefined };

interface Samples {
  readonly off: number[];
  /** The kernel records its events as it does between cuts, and nobody reads them. */
  readonly recorded: number[];
  /** The same with beginnings told of, as while a cut is made. */
  readonly begun: number[];
  readonly traced: number[];
  /** CPU seconds of who reads, for a million writes. */
  readonly cpu: number[];
}

interface Target {
  /** What of the disk is written: itself, or a file. */
  readonly filename: string;
  /** `/dev/vda` */
  readonly device: string;
}

/** All its blocks are there afterwards. */
const fill = (filename: string): void => {
  const file = openSync(filename, 'a+');
  try {
    writeSync(file, Buffer.alloc(SIZE, 'holdfast'));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
};

const measure = async ({ filename, device }: Target, runs: number, note: (line: string) => void): Promise<Samples> => {
  const samples: Samples = { off: [], recorded: [], begun: [], traced: [], cpu: [] };
  fill(filename);
  const load = startSteadyLoad(path.basename(device), { device: filename, depth: DEPTH, size: SIZE });
  const off = async (): Promise<void> => void samples.off.push(await load.iops(SECONDS));
  const record = async (told: boolean, side: number[]): Promise<void> => {
    const session = createWriteTrace({ machineId: newId(), bufferBytes: BUFFER_BYTES });
    try {
      session.attach(followedDevice(device), DEAF);
      session.trace.tellIssues(told);
      side.push(await load.iops(SECONDS));
    } finally {
      session.destroy();
    }
  };
  const traced = async (): Promise<void> => {
    for (let attempt = 1; ; attempt += 1) {
      const capture = await startCapture(device, { copies: false });
      // An agent runs for months: what its code costs before it is compiled is not the question.
      await load.iops(WARM_UP);
      const before = cpuSecondsOf(capture.pid);
      const iops = await load.iops(SECONDS);
      const spent = cpuSecondsOf(capture.pid) - before;
      const lost = await capture.end();
      if (lost === undefined) {
        samples.traced.push(iops);
        samples.cpu.push(spent / ((iops * SECONDS) / 1e6));
        return;
      }
      note(`tracing, not counted, for an agent would resynchronize: ${lost}`);
      if (attempt === ATTEMPTS) throw new Error(`${ATTEMPTS} times in turn writes were not traced to the end: ${lost}`);
    }
  };
  try {
    await load.iops(WARM_UP);
    const sides = [off, () => record(false, samples.recorded), () => record(true, samples.begun), traced];
    for (let run = 0; run < runs; run += 1) {
      for (let side = 0; side < sides.length; side += 1) await sides[(run + side) % sides.length]!();
      const { traced, recorded, begun, off } = samples;
      const [traces, records, begins, without] = [traced, recorded, begun, off].map((iops) => Math.round(iops.at(-1)!));
      note(
        `tracing, ${device}, run ${run + 1}: ${traces} IOPS traced, ${records} recorded, ${begins} recorded with beginnings, ${without} without`,
      );
    }
  } finally {
    await load.end();
  }
  return samples;
};

/** The one disk of the machine that a directory lies on; undefined where it lies on none, or on several. */
const diskBelow = (directory: string): string | undefined => {
  // Neither partitions nor what is made of other disks is a device of its own.
  const names = [...devicesBelow(directory)].filter((name) => existsSync(`/sys/class/block/${name}/device`));
  return names.length === 1 ? `/dev/${names[0]}` : undefined;
};

const rowsOfMemory = ({ off, recorded, begun, traced, cpu }: Samples): Row[] => {
  const measure = 'tracing only, fio at full speed, a disk that is memory';
  return [
    createRow({ measure, unit: 'IOPS' }, traced, { name: "the kernel's events, read by nobody", samples: recorded }, PROMISED),
    createRow({ measure, unit: 'IOPS' }, traced, { name: 'no tracing', samples: off }, PROMISED),
    createRow({ measure: `${measure}: the kernel's events with beginnings, as while a cut is made`, unit: 'IOPS' }, begun, {
      name: 'no tracing',
      samples: off,
    }),
    createRow({ measure: `${measure}: CPU`, unit: 's per million writes' }, cpu, undefined),
  ];
};

/**
 * What it costs to follow all writes while fio writes as fast as it can: of the machine's own disk, and of one that is memory, at a speed no disk of a
 * server has; of the latter also what the kernel's events cost by themselves, and what the agent adds.
 */
export const tracing: CaptureCase = {
  name: 'tracing',
  run: async ({ pairs, note, directory }) => {
    const runs = pairs * RUNS_A_PAIR;
    const rows: Row[] = [];
    const own = diskBelow(directory);
    if (own === undefined) note(`tracing, the machine's disk is not measured: ${directory} does not lie on one disk of it alone`);
    else {
      const { off, traced } = await measure({ filename: path.join(directory, 'tracing.raw'), device: own }, runs, note);
      const measured = { measure: "tracing only, fio at full speed, the machine's disk", unit: 'IOPS' };
      rows.push(createRow(measured, traced, { name: 'no tracing', samples: off }, PROMISED));
    }
    const disk = await createLoadDisk(SIZE);
    try {
      rows.push(...rowsOfMemory(await measure({ filename: disk.device, device: disk.device }, runs, note)));
    } finally {
      await disk.remove();
    }
    return rows;
  },
};
