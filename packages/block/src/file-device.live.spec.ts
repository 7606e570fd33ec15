import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { testBlockDevice } from './conformance.ts';
import { openFileDevice } from './file-device.ts';

const run = promisify(execFile);

let directory: string;
let image: string;
let loops: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-'));
  image = join(directory, 'disk.img');
  loops = [];
});
afterEach(async () => {
  for (const loop of loops) await run('losetup', ['-d', loop]);
  await rm(directory, { recursive: true });
});

const attach = async (): Promise<string> => {
  const { stdout } = await run('losetup', ['--find', '--show', image]);
  loops.push(stdout.trim());
  return stdout.trim();
};

test('a block device has its own size, can be written, and gives room back', async () => {
  await writeFile(image, Buffer.alloc(32 * 1024 * 1024, 1));
  const before = (await stat(image)).blocks;
  const device = await openFileDevice(await attach());
  expect(device.size).toBe(32 * 1024 * 1024);
  await device.write(12_345, Buffer.from('content'));
  await device.zero(5_000_001, 20_000_000);
  await device.flush();
  const back = Buffer.alloc(20_000_002);
  await device.read(5_000_000, back);
  expect([back[0], back.at(-1)]).toEqual([1, 1]);
  expect(back.subarray(1, -1).every((byte) => byte === 0)).toBe(true);
  await device.read(12_345, back.subarray(0, 7));
  expect(back.toString('latin1', 0, 7)).toBe('content');
  await device.close();
  expect((await stat(image)).blocks).toBeLessThan(before / 2);
});

test('a mounted device is not opened for writing', async () => {
  await writeFile(image, '');
  await truncate(image, 64 * 1024 * 1024);
  const loop = await attach();
  const mount = join(directory, 'mnt');
  await run('mkfs.ext4', ['-q', loop]);
  await mkdir(mount);
  await run('mount', [loop, mount]);
  try {
    await expect(openFileDevice(loop)).rejects.toMatchObject({ code: 'DEVICE_IN_USE', thing: loop });
    await (await openFileDevice(loop, { readOnly: true })).close();
  } finally {
    await run('umount', [mount]);
  }
  await (await openFileDevice(loop)).close();
});

// Loop devices have whole sectors: the conformance suite runs on files, and here on a size that is one.
testBlockDevice('a file on tmpfs', async (content) => {
  const path = join('/dev/shm', `holdfast-${process.pid}.img`);
  await writeFile(path, content);
  const device = await openFileDevice(path);
  await rm(path);
  return device;
});
