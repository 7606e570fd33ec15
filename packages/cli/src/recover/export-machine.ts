import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { type Exported, exportImage, type ImageFormat } from '@holdfast/disk-image';
import { fromSystem } from '@holdfast/errors';
import { type MachineHistory, openView, type PointDisk, type RecoveryPoint } from '@holdfast/vault';
import { machineLabel } from '../choose/choose-machine.ts';
import { imageLabel } from '../disks/image-options.ts';
import { leasePoint } from '../disks/lease-point.ts';
import { orStopped } from '../or-stopped.ts';
import { type OutputOptions, writeAnswer } from '../output/answer.ts';
import { formatBytes, formatTime } from '../output/format.ts';
import { createProgress } from '../output/progress.ts';
import type { Surroundings } from '../surroundings.ts';

export interface MachineExport {
  readonly history: MachineHistory;
  readonly point: RecoveryPoint;
  readonly disks: readonly PointDisk[];
  readonly directory: string;
}

/** Writes every disk of a point into an image of its name. */
export const exportMachine = async (
  surroundings: Surroundings,
  options: OutputOptions & { readonly force?: true; readonly format: ImageFormat },
  { history, point, disks, directory }: MachineExport,
): Promise<void> => {
  const lease = await leasePoint(surroundings, history, point, 'exported by `holdfast`');
  try {
    await exportLeased(surroundings, options, { history: lease.history, point, disks, directory });
  } finally {
    await lease.close();
  }
};

const exportLeased = async (
  surroundings: Surroundings,
  options: OutputOptions & { readonly force?: true; readonly format: ImageFormat },
  { history, point, disks, directory }: MachineExport,
): Promise<void> => {
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch((reason: unknown) => {
    throw fromSystem(reason, directory);
  });
  const images: ({ readonly disk: PointDisk; readonly file: string } & Exported)[] = [];
  for (const disk of disks) {
    const file = path.join(directory, `${disk.name}.${options.format}`);
    const view = await orStopped(surroundings.stop, openView(history, point.id, disk.id));
    try {
      const progress = createProgress(surroundings.stderr, { label: disk.name, total: view.size });
      const exported = await exportImage(view, file, {
        format: options.format,
        label: imageLabel(point, disk.id),
        force: options.force === true,
        skipUnreadable: false,
        signal: surroundings.stop,
        onProgress: progress.update,
      }).finally(progress.end);
      images.push({ disk, file, ...exported });
    } finally {
      await view.close();
    }
  }
  writeAnswer(surroundings, options, {
    data: {
      machine: history.machine.id,
      point: point.id,
      time: formatTime(point.time),
      images: images.map(({ disk, file, size, written, sha256 }) => ({ disk: disk.id, name: disk.name, file, size, written, sha256 })),
    },
    people: [
      { line: `${machineLabel(history.machine)} at ${formatTime(point.time)} (point ${point.id})` },
      {
        columns: [
          { heading: 'DISK' },
          { heading: 'IMAGE' },
          { heading: 'SIZE', right: true },
          { heading: 'WRITTEN', right: true },
          { heading: 'SHA-256', shrink: true },
        ],
        rows: images.map(({ disk, file, size, written, sha256 }) => [disk.name, file, formatBytes(size), formatBytes(written), sha256]),
      },
    ],
  });
};
