import { mkdtempSync, rmdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unpackDevice } from '../../trace/device.ts';
import { run } from '../../trace/testing/loop-disk.ts';
import { startNbdkitDisk } from '../../trace/testing/nbdkit-disk.ts';
import type { MountedDisk } from './mounted-disk.ts';

/**
 * An ext4 on a disk whose writes take a millisecond and a half (nbdkit's delay filter behind a loop device): whoever always has more writes
 * under way than there are blocks lets none of them rest, however busy the machine is.
 */
export const mountSlowDisk = async (megabytes: number): Promise<MountedDisk & { close(): Promise<void> }> => {
  const { path, name, folder, close } = await startNbdkitDisk(() => ['--filter=delay', 'memory', `size=${megabytes}M`, 'wdelay=1ms']);
  run('mkfs.ext4', '-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', path);
  const mountPoint = mkdtempSync(join(tmpdir(), 'holdfast-ext4-'));
  run('mount', path, mountPoint);
  const { major, minor } = unpackDevice(statSync(path).rdev);
  return {
    disk: { path, name, image: join(folder, 'disk'), detach: () => run('losetup', '--detach', path) },
    device: `${major}:${minor}`,
    mountPoint,
    async close() {
      run('umount', mountPoint);
      rmdirSync(mountPoint);
      await close();
    },
  };
};
