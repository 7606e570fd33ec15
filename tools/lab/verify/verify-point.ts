import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { BlockDevice } from '@holdfast/block';
import { createNbdServer, type NbdExport } from '@holdfast/nbd';
import type { FileSystem } from '../site/file-systems.ts';
import { checkContents } from './check-contents.ts';
import type { CheckedPoint } from './checked-point.ts';
import { compareImages } from './compare-images.ts';
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

/** Serves every disk of the point by NBD, exports it too, and lets the two be compared; the files of the exports stay. */
const exportDisks = async (disks: readonly PointDisk[], directory: string, signal?: AbortSignal): Promise<Verdict> => {
  const devices = new Map<string, NbdExport>();
  const errors: string[] = [];
  try {
    for (const disk of disks) devices.set(disk.name, { device: await disk.open() });
    const server = await createNbdServer({
      exports: devices,
      listen: { path: path.join(directory, 'nbd.sock') },
      onError: (error) => errors.push(error.message),
    });
    try {
      const pairs = disks.map(({ name }) => ({ name, served: server.uri(name), raw: rawFile(directory, name) }));
      for (const { name, raw } of pairs) await exportRaw(devices.get(name)!.device, raw, signal);
      return await compareImages(pairs, signal);
    } catch (reason) {
      // The client's words say that a read failed, the server's say why.
      throw errors.length === 0 ? reason : new Error(errors.join('; '), { cause: reason });
    } finally {
      await server.close();
    }
  } finally {
    for (const { device } of devices.values()) await device.close();
  }
};

const rawFile = (directory: string, name: string): string => path.join(directory, `${name}.raw`);

/** Mounts what was recovered and asks the workload's oracles, even where a file system was found bad: its contents say how bad. */
const checkMounted = async (
  disks: readonly RecoveredDisk[],
  point: PointToVerify,
  { ledgers, seed, signal }: VerifyOptions,
): Promise<Verdict[]> => {
  signal?.throwIfAborted();
  if (disks.length < point.disks.length) return [];
  try {
    for (const disk of disks) await disk.mount();
  } catch {
    // What cannot be mounted has failed its own check; without it the oracles have nothing to look at.
    return [];
  }
  return checkContents({ mountPoints: disks.map(({ mountPoint }) => mountPoint), ledgers, instant: point.instant, seed });
};

/** Recovers one point completely and checks everything that can be known of it. */
export const verifyPoint = async (point: PointToVerify, options: VerifyOptions): Promise<CheckedPoint> => {
  const { directory, signal } = options;
  mkdirSync(directory);
  const verdicts: Verdict[] = [await judge('NBD = raw', () => exportDisks(point.disks, directory, signal))];
  const recovered: RecoveredDisk[] = [];
  try {
    for (const { name, fileSystem } of point.disks) {
      signal?.throwIfAborted();
      const check = async (): Promise<Verdict> => {
        const disk = await openRecoveredDisk(rawFile(directory, name), fileSystem, signal);
        recovered.push(disk);
        return disk.checkFileSystem();
      };
      verdicts.push(await judge(fileSystem.name, check));
    }
    verdicts.push(...(await checkMounted(recovered, point, options)));
  } finally {
    for (const one of recovered) await one.close();
    rmSync(directory, { recursive: true, force: true });
  }
  signal?.throwIfAborted();
  return { id: point.id, time: point.time, chosen: point.chosen, good: verdicts.every(({ good }) => good), verdicts };
};
