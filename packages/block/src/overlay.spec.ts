import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testBlockDevice } from './conformance.ts';
import { createMemoryDevice } from './memory-device.ts';
import { createOverlay } from './overlay.ts';

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-'));
  path = join(directory, 'overlay');
});
afterEach(() => rm(directory, { recursive: true }));

const memory = async (content: Uint8Array) => {
  const device = createMemoryDevice(content.length);
  await device.write(0, content);
  return device;
};

testBlockDevice('a temporary overlay', async (content) => createOverlay(await memory(content), { identity: 'base', directory }));

let next = 0;
testBlockDevice('a kept overlay', async (content) => {
  next += 1;
  return createOverlay(await memory(content), { identity: 'base', path: join(directory, String(next)) });
});

const read = async (device: { size: number; read(offset: number, target: Uint8Array): Promise<void> }) => {
  const bytes = Buffer.alloc(device.size);
  await device.read(0, bytes);
  return bytes;
};

const base = () => memory(Buffer.alloc(100_000, 'base'));

test('a kept overlay comes back as it was left, and its base stays as it was', async () => {
  const below = await base();
  const first = await createOverlay(below, { identity: 'point 1', path });
  await first.write(5000, Buffer.from('changed'));
  await first.zero(20_000, 30_000);
  const left = await read(first);
  await first.close();

  const second = await createOverlay(below, { identity: 'point 1', path });
  expect((await read(second)).equals(left)).toBe(true);
  expect(left.toString('latin1', 5000, 5007)).toBe('changed');
  expect((await read(below)).equals(Buffer.alloc(100_000, 'base'))).toBe(true);
  await second.close();
});

test('an overlay opens over its own base only', async () => {
  await (await createOverlay(await base(), { identity: 'point 1', path })).close();
  const before = await readFile(path);
  await expect(createOverlay(await base(), { identity: 'point 2', path })).rejects.toMatchObject({
    code: 'OVERLAY_MISMATCH',
    message: expect.stringMatching(/"point 1".*"point 2"/),
  });
  await expect(createOverlay(createMemoryDevice(100_001), { identity: 'point 1', path })).rejects.toMatchObject({
    code: 'OVERLAY_MISMATCH',
  });
  expect((await readFile(path)).equals(before)).toBe(true);
});

test('an overlay is open only once', async () => {
  const below = await base();
  const first = await createOverlay(below, { identity: 'point 1', path });
  await expect(createOverlay(below, { identity: 'point 1', path })).rejects.toMatchObject({ code: 'DEVICE_IN_USE' });
  await first.close();
  await (await createOverlay(below, { identity: 'point 1', path })).close();
});

test('a file that is not an overlay, or is damaged, is refused and left alone', async () => {
  const refused = async (bytes: Buffer) => {
    await writeFile(path, bytes);
    await expect(createOverlay(await base(), { identity: 'point 1', path })).rejects.toMatchObject({ code: 'DAMAGED' });
    expect((await readFile(path)).equals(bytes)).toBe(true);
  };
  await refused(Buffer.alloc(0));
  await refused(Buffer.from('a note of somebody'));
  await refused(Buffer.alloc(5_000_000));
  await rm(path);
  await (await createOverlay(await base(), { identity: 'point 1', path })).close();
  const good = await readFile(path);
  for (const at of [0, 8, 12, 16, 24, 30, 4092]) {
    const bad = Buffer.from(good);
    bad[at]! ^= 1;
    await refused(bad);
  }
  await writeFile(path, good);
  await truncate(path, good.length - 1);
  await expect(createOverlay(await base(), { identity: 'point 1', path })).rejects.toMatchObject({ code: 'DAMAGED' });
  await writeFile(path, good);
  await (await createOverlay(await base(), { identity: 'point 1', path })).close();
});

test('discarding removes a kept overlay; a temporary one leaves nothing from the start', async () => {
  const kept = await createOverlay(await base(), { identity: 'point 1', path });
  const temporary = await createOverlay(await base(), { identity: 'point 1', directory });
  await temporary.write(0, Buffer.alloc(50_000, 1));
  expect(await readdir(directory)).toEqual(['overlay']);
  await kept.discard();
  expect(await readdir(directory)).toEqual([]);
  await temporary.close();
});

test('what cannot be made is refused by name', async () => {
  await expect(createOverlay(await base(), { identity: 'x', path: join(directory, 'none', 'overlay') })).rejects.toMatchObject({
    code: 'OBJECT_NOT_FOUND',
    thing: join(directory, 'none', 'overlay'),
  });
  await expect(createOverlay(await base(), { identity: 'x'.repeat(2000), path })).rejects.toMatchObject({ code: 'SETTING_INVALID' });
  expect(await readdir(directory)).toEqual([]);
});

test('only what was written takes room, and zeroing gives it back', async () => {
  const size = 64 * 1024 * 1024;
  const overlay = await createOverlay(createMemoryDevice(size), { identity: 'point 1', path });
  const room = async () => (await stat(path)).blocks * 512;
  const empty = await room();
  await overlay.write(10_000_000, Buffer.alloc(8 * 1024 * 1024, 7));
  await overlay.flush();
  expect(await room()).toBeGreaterThan(empty + 8_000_000);
  await overlay.zero(0, size);
  await overlay.flush();
  expect(await room()).toBeLessThan(empty + 200_000);
  expect(await overlay.allocated(0, size)).toEqual([]);
  expect((await read(overlay)).equals(Buffer.alloc(size))).toBe(true);
  await overlay.close();
});

test('a write that fails is not there later', async () => {
  const below = await base();
  const failing = { ...delegate(below), read: () => Promise.reject(new Error('the base is away')) };
  const overlay = await createOverlay(failing, { identity: 'point 1', path });
  await expect(overlay.write(10, Buffer.from('part of a block'))).rejects.toThrow('the base is away');
  await overlay.close();
  const again = await createOverlay(below, { identity: 'point 1', path });
  expect((await read(again)).equals(await read(below))).toBe(true);
  await again.close();
});

const delegate = (device: Awaited<ReturnType<typeof base>>): Awaited<ReturnType<typeof base>> => ({
  size: device.size,
  readOnly: device.readOnly,
  read: (offset, target) => device.read(offset, target),
  write: (offset, data) => device.write(offset, data),
  zero: (offset, length) => device.zero(offset, length),
  flush: () => device.flush(),
  allocated: (offset, length) => device.allocated(offset, length),
  close: () => device.close(),
});
