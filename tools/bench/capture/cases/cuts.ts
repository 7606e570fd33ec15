import { setTimeout as sleep } from 'node:timers/promises';
import { createRow, type Row } from '../../row.ts';
import type { CaptureCase } from '../capture-case.ts';
import { type MeasuredCut, startCapture } from '../capture-process.ts';
import { type FioLoad, runFio } from '../fio.ts';
import { createLoadDisk } from '../load-disk.ts';

const MIB = 1024 * 1024;
const DISK_SIZE = 4096 * MIB;
const RATES = [1000, 5000, 20_000];
const INTERVAL_MS = 2000;
const CUTS = 20;
/** Longer than any run: the load is ended when the last cut is made. */
const LOAD_SECONDS = 3600;

/** Cuts a disk under load, two seconds after each other. */
const cutUnder = async (load: Omit<FioLoad, 'seconds' | 'device'>, note: (text: string) => void): Promise<(MeasuredCut | undefined)[]> => {
  const disk = await createLoadDisk(DISK_SIZE);
  const over = new AbortController();
  try {
    const capture = await startCapture(disk.device);
    const writing = runFio({ ...load, device: disk.device, seconds: LOAD_SECONDS, signal: over.signal });
    const ended = writing.then(() => undefined).catch(() => undefined);
    const cuts: (MeasuredCut | undefined)[] = [];
    await sleep(INTERVAL_MS);
    // What was written while the load began does not count.
    await capture.cut();
    while (cuts.length < CUTS) {
      await sleep(INTERVAL_MS);
      const cut = await capture.cut();
      if (typeof cut !== 'string') cuts.push(cut);
      else {
        note(`no more cuts, for an agent would resynchronize: ${cut}`);
        cuts.push(...Array.from({ length: CUTS - cuts.length }, () => undefined));
      }
    }
    over.abort();
    await ended;
    await capture.end();
    return cuts;
  } finally {
    over.abort();
    await disk.remove();
  }
};

const made = (cuts: readonly (MeasuredCut | undefined)[]): MeasuredCut[] => cuts.filter((cut) => cut !== undefined);

const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
};

/** How long a cut takes, and how many were not to be had. */
export const cutTime: CaptureCase = {
  name: 'cut-time',
  run: async ({ note }) => {
    const rows: Row[] = [];
    for (const rate of RATES) {
      const cuts = await cutUnder({ depth: 16, iops: rate }, note);
      const times = made(cuts).map(({ milliseconds }) => milliseconds);
      const about = `cut ${INTERVAL_MS / 1000} s after the last at ${rate} IOPS`;
      note(`${about}: rounds ${made(cuts).map(({ rounds }) => rounds)}; ${CUTS - times.length} of ${CUTS} skipped`);
      if (times.length === 0) {
        rows.push(createRow({ measure: `${about}: none was to be had`, unit: 'cuts' }, [0], undefined));
        continue;
      }
      rows.push(createRow({ measure: `${about}: p50`, unit: 'ms' }, times, undefined));
      rows.push(createRow({ measure: `${about}: p95`, unit: 'ms' }, [percentile(times, 0.95)], undefined));
    }
    return rows;
  },
};

/** How much of the disk is read for what changed: more than once is what convergence costs. */
export const readsPerBlock: CaptureCase = {
  name: 'reads-per-block',
  run: async ({ note }) => {
    const rows: Row[] = [];
    for (const [where, load] of [
      ['each block once', { distinct: true }],
      ['at random in 128 MiB', { size: 128 * MIB }],
    ] as const) {
      const cuts = made(await cutUnder({ depth: 16, iops: 4000, ...load }, note));
      const ratios = cuts.map(({ readBytes, changedBytes }) => readBytes / changedBytes);
      note(`reads per changed block, ${where}: ${cuts.length} of ${CUTS} cuts, rounds ${cuts.map(({ rounds }) => rounds)}`);
      rows.push(
        createRow({ measure: `bytes read per changed byte, 4000 IOPS, ${where}`, unit: 'bytes' }, ratios, undefined, {
          goal: { atMost: 1.2 },
        }),
      );
    }
    return rows;
  },
};
