import { mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testBlockDevice } from './conformance.ts';
import { createFileDevice, openFileDevice } from './file-device.ts';

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-'));
  path = join(directory, 'disk.img');
});
afterEach(() => rm(directory, { recursive: true }));

testBlockDevice(
  'a file',
  async (content) => {
    await writeFile(path, content);
    return openFileDevice(path);
  },
  async (content) => {
    await writeFile(path, content);
    return openFileDevice(path, { readOnly: true });
  },
);

test('a new file is sparse and its owner alone may read it', async () => {
  const device = await createFileDevice(path, 2 ** 40);
  await device.write(2 ** 39, Buffer.from('far'));
  await device.flush();
  await device.close();
  const { size, blocks, mode } = await stat(path);
  expect(size).toBe(2 ** 40);
  expect(blocks * 512).toBeLessThan(2 ** 20);
  expect(mode & 0o777).toBe(0o600);
});

test('an existing file is never made anew', async () => {
  await writeFile(path, 'content');
  await expect(createFileDevice(path, 100)).rejects.toMatchObject({ code: 'OBJECT_EXISTS', thing: path });
  expect(await readFile(path, 'utf8')).toBe('content');
});

test('what is not there or is no disk is refused by name', async () => {
  await expect(openFileDevice(path)).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND', thing: path });
  await expect(openFileDevice(directory, { readOnly: true })).rejects.toMatchObject({ code: 'DEVICE_UNSUPPORTED', thing: directory });
  await expect(openFileDevice('/dev/null')).rejects.toMatchObject({ code: 'DEVICE_UNSUPPORTED' });
});

test('zeroing a long range frees its room, byte-exactly at both ends', async () => {
  const size = 16 * 1024 * 1024;
  await writeFile(path, Buffer.alloc(size, 1));
  // Blocks of a file not yet written back are counted only when they are.
  const handle = await open(path, 'r+');
  await handle.sync();
  await handle.close();
  const before = (await stat(path)).blocks;
  const device = await openFileDevice(path);
  await device.zero(5001, size - 10_000);
  await device.flush();
  await device.close();
  const bytes = await readFile(path);
  expect(bytes.equals(Buffer.concat([Buffer.alloc(5001, 1), Buffer.alloc(size - 10_000), Buffer.alloc(4999, 1)]))).toBe(true);
  if (process.platform === 'linux') expect((await stat(path)).blocks).toBeLessThan(before / 10);
});

test('a file that was cut while in use is an error, never short data', async () => {
  await writeFile(path, Buffer.alloc(10_000, 1));
  const device = await openFileDevice(path);
  await truncate(path, 5000);
  await expect(device.read(4000, Buffer.alloc(2000))).rejects.toMatchObject({ code: 'DEVICE_CHANGED', thing: path });
  await device.read(4000, Buffer.alloc(1000));
  await device.close();
});
