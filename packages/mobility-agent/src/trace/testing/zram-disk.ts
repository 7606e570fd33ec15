import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './loop-disk.ts';

const CONTROL = '/sys/class/zram-control';

/** What must be there for such disks. */
export const ZRAM = `${CONTROL}/hot_add`;

/** A disk in compressed memory, which the kernel handles without requests. */
export interface ZramDisk {
  readonly path: string;
  readonly name: string;
  detach(): void;
}

/** A disk of zeroes of its own; its node is made too, for nobody else may do that. */
export const createZramDisk = (size: number): ZramDisk => {
  const number = readFileSync(ZRAM, 'latin1').trim();
  const name = `zram${number}`;
  writeFileSync(`/sys/block/${name}/disksize`, String(size));
  const folder = mkdtempSync('/dev/holdfast-zram-');
  const path = join(folder, name);
  const [major, minor] = readFileSync(`/sys/block/${name}/dev`, 'latin1').trim().split(':');
  run('mknod', path, 'b', major!, minor!);
  return {
    path,
    name,
    detach: () => {
      rmSync(folder, { recursive: true });
      writeFileSync(`/sys/block/${name}/reset`, '1');
      writeFileSync(`${CONTROL}/hot_remove`, number);
    },
  };
};
