import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A loop device over a sparse file of its own. */
export interface LoopDisk {
  readonly path: string;
  detach(): void;
}

export const attachLoopDisk = (size: number, directory = tmpdir()): LoopDisk => {
  const folder = mkdtempSync(join(directory, 'holdfast-disk-'));
  const file = join(folder, 'disk');
  writeFileSync(file, '');
  truncateSync(file, size);
  const path = execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim();
  return {
    path,
    detach: () => {
      execFileSync('losetup', ['--detach', path]);
      rmSync(folder, { recursive: true });
    },
  };
};
