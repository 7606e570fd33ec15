import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BlockDevice } from '@holdfast/block';
import type { RecoveryPoint } from '@holdfast/vault';
import type { RunContext } from '../../lab/context.ts';
import { attachLoop } from '../../lab/host/loop-devices.ts';
import { startSite } from '../../lab/ledger-run.ts';
import { choosePoints } from '../../lab/verify/choose-points.ts';
import { verifyPoint } from '../../lab/verify/verify-point.ts';
import { BLOCK, BLOCKS, contradiction, judgeDisks, parseSpoken } from '../guest-restarts/sequence.ts';

/** A point, as its machine's oracle wants it. */
export interface PointToJudge {
  readonly point: RecoveryPoint;
  /** Opens a disk, by its place among `disks`. */
  open(disk: number): Promise<BlockDevice>;
}

/** Disks of a machine that are written to, and who knows what they must hold. */
export interface Source {
  /** `/dev/loop3` */
  readonly disks: readonly string[];
  /** Judging takes moments, not a minute. */
  readonly isQuick: boolean;
  /** Judges points that no earlier call was given; tells what is wrong, and how many were compared. */
  judge(points: readonly PointToJudge[], seed: number): Promise<{ readonly judged: number; readonly wrong: readonly string[] }>;
  /** Why the workload itself failed. */
  readonly failure: Promise<never>;
  stop(): Promise<void>;
}

const STAMPED_BYTES = 1024 * 1024;
/** Milliseconds between two writes. */
const PAUSE = 15;
/** Nanoseconds by which the clocks of writer and agent are rounded. */
const SLACK = 10_000_000n;

const imageOf = async (device: BlockDevice): Promise<Buffer> => {
  try {
    const image = Buffer.alloc(device.size);
    await device.read(0, image);
    return image;
  } finally {
    await device.close();
  }
};

/** Two disks of raw blocks, stamped one after the other by one writer: every point must be the state after exactly so many writes, and the rest zeroes. */
export const createStampedSource = async ({ recorder }: Pick<RunContext, 'recorder'>, name: string): Promise<Source> => {
  const directory = path.join(recorder.record.directory, name);
  mkdirSync(directory);
  const disks: string[] = [];
  for (const index of [0, 1]) {
    const file = path.join(directory, `disk-${index}.img`);
    writeFileSync(file, '');
    truncateSync(file, STAMPED_BYTES);
    disks.push(await attachLoop(file));
  }
  const outside = path.join(directory, 'spoken');
  writeFileSync(outside, '');
  const script = fileURLToPath(new URL('../guest-restarts/writer.ts', import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [script, String(PAUSE), ...disks], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (child.pid !== undefined) recorder.noteProcess(child.pid);
  child.stdout!.pipe(createWriteStream(outside, { flags: 'a' }));
  let words = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-1000);
  });
  let isStopping = false;
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const failure = ended.then((): Promise<never> => {
    if (!isStopping) throw new Error(`the writer of ${name} ended: ${words}`);
    return new Promise<never>(() => undefined);
  });
  failure.catch(() => undefined);
  const exact: { readonly id: string; readonly time: bigint; readonly writes: number }[] = [];

  return {
    disks,
    failure,
    isQuick: true,
    async judge(points) {
      const wrong: string[] = [];
      for (const { point, open } of points) {
        const images = [await imageOf(await open(0)), await imageOf(await open(1))];
        const verdict = judgeDisks(images);
        if ('wrong' in verdict) wrong.push(verdict.wrong);
        else exact.push({ id: point.id, time: point.point.instant?.unixNanos ?? 0n, writes: verdict.writes });
        const behind = images.findIndex((image) => !image.subarray(BLOCKS * BLOCK).equals(Buffer.alloc(image.length - BLOCKS * BLOCK)));
        if (behind >= 0) wrong.push(`disk ${behind} holds something where nobody wrote`);
      }
      const spoken = parseSpoken(readFileSync(outside, 'utf8'));
      // What the writer said of the time after a point is heard later: all points are held against it each time.
      for (const { id, time, writes } of exact) {
        const why = contradiction(writes, time, spoken, SLACK);
        if (why !== undefined) wrong.push(`point ${id}: ${why}`);
      }
      return { judged: points.length, wrong };
    },
    async stop() {
      isStopping = true;
      child.kill('SIGKILL');
      await ended;
    },
  };
};

/** The machine of the demonstration: two file systems with databases and files. Its newest point and one at random are recovered and checked each time. */
export const createLedgerSource = async (context: RunContext): Promise<Source> => {
  const { site, workload, ledgers } = await startSite(context);
  let judgements = 0;
  return {
    disks: site.map(({ device }) => device),
    failure: workload.failure,
    isQuick: false,
    async judge(points, seed) {
      const wrong: string[] = [];
      const chosen = choosePoints(points, 1, seed);
      for (const { point: one, chosen: how } of chosen) {
        judgements += 1;
        const { point } = one;
        const { verdicts } = await verifyPoint(
          {
            id: point.id,
            time: point.time,
            instant: point.point.instant?.monotonicNanos ?? 0n,
            chosen: how,
            disks: site.map(({ name, fileSystem }, index) => ({ name, fileSystem, open: () => one.open(index) })),
          },
          {
            directory: path.join(context.recorder.record.directory, `recovered-${judgements}`),
            ledgers,
            seed: context.options.seed,
          },
        );
        for (const { check, faults } of verdicts) for (const fault of faults) wrong.push(`point ${point.id}, ${check}: ${fault}`);
      }
      return { judged: chosen.length, wrong };
    },
    stop: () => workload.stop(),
  };
};
