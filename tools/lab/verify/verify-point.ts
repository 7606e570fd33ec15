import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { BlockDevice } from '@holdfast/block';
import type { FileSystem } from '../site/file-systems.ts';
import { checkContents } from './check-contents.ts';
import type { CheckedPoint } from './checked-point.ts';
import { compareImages, type ImagePair } from './compare-images.ts';
import { type NbdExport, serveByNbd } from './nbd-export.ts';
import { exportRaw } from './raw-export.ts';
import { openRecoveredDisk, type RecoveredDisk } from './recovered-disk.ts';
import { judge, type Verdict } from './verdict.ts';

/** One disk of a point to be verified. */
export interface PointDisk {
  readonly name: string;
  readonly fileSystem: FileSystem;
  /** Opens the disk at that point. */
  open(): Promise<BlockDevice>;
}

export interface PointToVerify {
  readonly id: string;
  /** Milliseconds since 1970 by the source's clock, for people. */
  readonly time: number;
  /** CLOCK_MONOTONIC, nanoseconds. */
  readonly instant: bigint;
  readonly chosen: string;
  readonly disks: readonly PointDisk[];
}

export interface VerifyOptions {
  /** A directory for the exports; must not exist and is gone afterwards. */
  readonly directory: string;
  readonly ledgers: string;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** Exports every disk of the point, serves it by NBD and lets the two be compared; the files of the exports stay. */
const exportDisks = async (disks: readonly PointDisk[], directory: string, signal?: AbortSignal): Promise<Verdict> =>
  judge('NBD = raw', async () => {
    const open: { device: BlockDevice; served: NbdExport }[] = [];
    const pairs: ImagePair[] = [];
    try {
      for (const disk of disks) {
        const device = await disk.open();
        const served = await serveByNbd(device, path.join(directory, `${disk.name}.sock`));
        open.push({ device, served });
        const raw = path.join(directory, `${disk.name}.raw`);
        await exportRaw(device, raw, signal);
        pairs.push({ name: disk.name, served: served.uri, raw });
      }
      return await compareImages(pairs, signal);
    } finally {
      for (const { device, served } of open) {
        await served.close();
        await device.close();
      }
    }
  });

/** Recovers one point completely and checks everything that can be known of it. */
export const verifyPoint = async (point: PointToVerify, options: VerifyOptions): Promise<CheckedPoint> => {
  const { directory, ledgers, seed, signal } = options;
  mkdirSync(directory);
  const verdicts: Verdict[] = [await exportDisks(point.disks, directory, signal)];
  const recovered: RecoveredDisk[] = [];
  try {
    for (const disk of point.disks) {
      signal?.throwIfAborted();
      const raw = path.join(directory, `${disk.name}.raw`);
      verdicts.push(
        await judge(disk.fileSystem.name, async () => {
          const one = await openRecoveredDisk(raw, disk.fileSystem, signal);
          recovered.push(one);
          const verdict = await one.checkFileSystem();
          if (verdict.good) await one.mount();
          return verdict;
        }),
      );
    }
    if (verdicts.every(({ good }) => good)) {
      const mountPoints = recovered.map(({ mountPoint }) => mountPoint);
      verdicts.push(...(await checkContents({ mountPoints, ledgers, instant: point.instant, seed })));
    }
  } finally {
    for (const one of recovered) await one.close();
    rmSync(directory, { recursive: true, force: true });
  }
  signal?.throwIfAborted();
  return { id: point.id, time: point.time, chosen: point.chosen, good: verdicts.every(({ good }) => good), verdicts };
};
