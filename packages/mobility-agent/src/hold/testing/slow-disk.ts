import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../sender/testing/until.ts';
import { unpackDevice } from '../../trace/device.ts';
import { run } from '../../trace/testing/loop-disk.ts';
import type { MountedDisk } from './mounted-disk.ts';

/**
 * An ext4 on a disk whose writes take a millisecond and a half (nbdkit's delay filter behind a loop device): whoever always has more writes
 * under way than there are blocks lets none of them rest, however busy the machine is.
 */
export const mountSlowDisk = async (megabytes: number): Promise<MountedDisk & { close(): Promise<void> }> => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-slow-'));
  const [socket, image] = [join(folder, 'socket'), join(folder, 'image')];
  writeFileSync(image, '');
  const server = spawn('nbdkit', ['--foreground', '--unix', socket, '--filter=delay', 'memory', `size=${megabytes}M`, 'wdelay=1ms'], {
    stdio: 'ignore',
  });
  await until('it listens', () => existsSync(socket));
  const file = spawn('nbdfuse', [image, `nbd+unix:///?socket=${socket}`], { stdio: 'ignore' });
  await until('it is there', () => statSync(image).size > 0);
  const path = run('losetup', '--find', '--show', '--direct-io=on', image);
  run('mkfs.ext4', '-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', path);
  const mountPoint = mkdtempSync(join(tmpdir(), 'holdfast-ext4-'));
  run('mount', path, mountPoint);
  const { major, minor } = unpackDevice(statSync(path).rdev);
  return {
    disk: { path, name: path.slice('/dev/'.length), image, detach: () => run('losetup', '--detach', path) },
    device: `${major}:${minor}`,
    mountPoint,
    async close() {
      run('umount', mountPoint);
      rmdirSync(mountPoint);
      run('losetup', '--detach', path);
      const ended = Promise.all([once(file, 'exit'), once(server, 'exit')]);
      run('umount', '--lazy', image);
      server.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
};
