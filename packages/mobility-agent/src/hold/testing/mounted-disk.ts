import { mkdtempSync, rmdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unpackDevice } from '../../trace/device.ts';
import { createLoopDisk, type LoopDisk, run } from '../../trace/testing/loop-disk.ts';

/** A file system on a loop disk of its own. */
export interface MountedDisk {
  readonly disk: LoopDisk;
  /** "7:3". */
  readonly device: string;
  readonly mountPoint: string;
  close(): void | Promise<void>;
}

const MAKE: Readonly<Record<string, readonly string[]>> = {
  ext4: ['mkfs.ext4', '-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0'],
  xfs: ['mkfs.xfs', '-q', '-f'],
};

export const mountDisk = (type: 'ext4' | 'xfs', size: number): MountedDisk => {
  const disk = createLoopDisk(size);
  const [program, ...args] = MAKE[type]! as [string, ...string[]];
  run(program, ...args, disk.path);
  const mountPoint = mkdtempSync(join(tmpdir(), `holdfast-${type}-`));
  run('mount', disk.path, mountPoint);
  const { major, minor } = unpackDevice(statSync(disk.path).rdev);
  return {
    disk,
    device: `${major}:${minor}`,
    mountPoint,
    close() {
      run('umount', mountPoint);
      rmdirSync(mountPoint);
      disk.detach();
    },
  };
};
