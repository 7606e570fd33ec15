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

/** A partition table as of the first PCs, with one partition over the rest of the disk from `start`. */
const partitionTable = (start: number, size: number): Buffer => {
  const sector = Buffer.alloc(SECTOR);
  sector[446 + 4] = 0x83;
  sector.writeUInt32LE(start / SECTOR, 446 + 8);
  sector.writeUInt32LE((size - start) / SECTOR, 446 + 12);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
};

/** A disk of zeroes; with `partitionAt`, one partition begins at that byte: `<path>p1`. */
export const createLoopDisk = (size: number, partitionAt?: number): LoopDisk => {
  const folder = mkdtempSync('/dev/shm/holdfast-loop-');
  const image = join(folder, 'image');
  writeFileSync(image, partitionAt === undefined ? '' : partitionTable(partitionAt, size));
  truncateSync(image, size);
  const path = run('losetup', '--find', '--show', '--partscan', image);
  return {
    path,
    name: path.slice('/dev/'.length),
    image,
    detach: () => {
      if (run('losetup', '--list', '--noheadings', '--output', 'BACK-FILE', path) === image) run('losetup', '--detach', path);
      rmSync(folder, { recursive: true });
    },
  };
};
