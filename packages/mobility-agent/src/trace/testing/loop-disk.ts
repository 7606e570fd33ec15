import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A loop device over a file of its own in memory. */
export interface LoopDisk {
  readonly path: string;
  readonly name: string;
  /** The file behind it. */
  readonly image: string;
  detach(): void;
}

export const run = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe' }).trim();

const SECTOR = 512;

/** A disk of zeroes; with `partitionAt`, the kernel is told of one partition from that byte to the end: `<path>p1`. */
export const createLoopDisk = (size: number, partitionAt?: number): LoopDisk => {
  const folder = mkdtempSync('/dev/shm/holdfast-loop-');
  const image = join(folder, 'image');
  writeFileSync(image, '');
  truncateSync(image, size);
  const path = run('losetup', '--find', '--show', image);
  if (partitionAt !== undefined) run('addpart', path, '1', String(partitionAt / SECTOR), String((size - partitionAt) / SECTOR));
  return {
    path,
    name: path.slice('/dev/'.length),
    image,
    detach: () => {
      if (run('losetup', '--list', '--noheadings', '--output', 'BACK-FILE', path) === image) {
        if (partitionAt !== undefined) run('delpart', path, '1');
        run('losetup', '--detach', path);
      }
      rmSync(folder, { recursive: true });
    },
  };
};
