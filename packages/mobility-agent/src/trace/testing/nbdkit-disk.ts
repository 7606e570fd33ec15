import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../sender/testing/until.ts';
import { run } from './loop-disk.ts';

/** A disk whose requests nbdkit gets, so that its filters can write them down, delay or fail them. */
export interface NbdkitDisk {
  readonly path: string;
  readonly name: string;
  /** Of its own; removed with it. */
  readonly folder: string;
  close(): Promise<void>;
}

/** What `startNbdkitDisk` needs on the machine. */
export const NBDKIT = ['losetup', 'nbdkit', 'nbdfuse', '/dev/fuse'] as const;

/** A loop device over a file of nbdfuse, which is a client of nbdkit; `options` are those of nbdkit: filters, plug-in, their parameters. */
export const startNbdkitDisk = async (options: (folder: string) => readonly string[]): Promise<NbdkitDisk> => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-nbdkit-'));
  const [socket, file] = [join(folder, 'socket'), join(folder, 'disk')];
  const server = spawn('nbdkit', ['--foreground', '--unix', socket, ...options(folder)], { stdio: 'ignore' });
  await until('nbdkit listens', () => existsSync(socket));
  writeFileSync(file, '');
  const client = spawn('nbdfuse', [file, `nbd+unix:///?socket=${socket}`], { stdio: 'ignore' });
  await until('the disk is there', () => statSync(file).size > 0);
  const path = run('losetup', '--find', '--show', '--direct-io=on', file);
  return {
    path,
    name: path.slice('/dev/'.length),
    folder,
    async close() {
      run('losetup', '--detach', path);
      const ended = Promise.all([once(client, 'exit'), once(server, 'exit')]);
      run('umount', '--lazy', file);
      server.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
};
