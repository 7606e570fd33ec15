import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLoopDisk, run } from '../trace/testing/loop-disk.ts';
import { awaitGracePeriod } from './grace-period.ts';
import { freeze, thaw } from './ioctl.ts';
import { libc } from './libc.ts';
import { visitAllProcessors } from './processors.ts';

it('freezes a file system until it is thawed', async () => {
  const loop = createLoopDisk(64 * 1024 * 1024);
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-freeze-'));
  run('mkfs.ext4', '-q', loop.path);
  run('mount', loop.path, folder);
  const fd = openSync(folder, 'r');
  freeze(fd);
  const writer = spawn('sh', ['-c', `echo asking; touch ${folder}/file`]);
  const ended = once(writer, 'exit');
  try {
    expect(() => freeze(fd)).toThrow('EBUSY');
    await once(writer.stdout, 'data');
    expect(existsSync(`${folder}/file`)).toBe(false);
    expect(writer.exitCode).toBeNull();
  } finally {
    thaw(fd);
  }
  await ended;
  expect(existsSync(`${folder}/file`)).toBe(true);
  expect(() => thaw(fd)).toThrow('EINVAL');
  closeSync(fd);
  run('umount', folder);
  rmSync(folder, { recursive: true });
  loop.detach();
});

describe('grace period', () => {
  const SELF = 0;
  const mask = (): Uint8Array => {
    const bytes = new Uint8Array(1024);
    libc().sched_getaffinity(SELF, bytes.length, bytes);
    return bytes;
  };

  it('visits every processor and stays nowhere', () => {
    const before = mask();
    expect(visitAllProcessors()).toBe(true);
    expect(mask()).toEqual(before);
    awaitGracePeriod();
  });

  it('is waited for where this process may not run everywhere', () => {
    const before = mask();
    const first = new Uint8Array(1024);
    first[0] = 1;
    libc().sched_setaffinity(SELF, first.length, first);
    try {
      expect(visitAllProcessors()).toBe(cpus().length === 1);
      expect(() => awaitGracePeriod()).not.toThrow();
      expect(mask()).toEqual(first);
    } finally {
      libc().sched_setaffinity(SELF, before.length, before);
    }
  });
});
