import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { BlockDevice } from '@holdfast/block';
import { createFileSource } from './scan-source.ts';
import { readWindows } from './windows.ts';

describe('an image file as a source', () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'source-'));
  const file = path.join(directory, 'disk.img');
  const source = createFileSource(file);

  beforeEach(() => fs.writeFileSync(file, Buffer.alloc(8192, 1)));
  afterAll(() => fs.rmSync(directory, { recursive: true }));

  it('has the same stamp as long as nothing is written, however often it is read', async () => {
    const before = await source.stamp();
    expect(before).toBeDefined();
    const device = await source.open();
    const read = new Uint8Array(8192);
    await device.read(0, read);
    await device.close();
    expect([device.readOnly, read]).toEqual([true, new Uint8Array(8192).fill(1)]);
    expect(await source.stamp()).toBe(before);
  });

  it('has another one after any write, even one in the same moment that changes nothing', async () => {
    const stamps = new Set<string | undefined>();
    for (let i = 0; i < 20; i += 1) {
      stamps.add(await source.stamp());
      const fd = fs.openSync(file, 'r+');
      fs.writeSync(fd, Buffer.alloc(1, 1), 0, 1, 4096);
      fs.closeSync(fd);
    }
    stamps.add(await source.stamp());
    expect(stamps.size).toBe(21);
  });

  it('has another one when another file takes its place or its times are set back', async () => {
    const before = await source.stamp();
    const { atime, mtime } = fs.statSync(file);
    fs.writeFileSync(`${file}.new`, Buffer.alloc(8192, 2));
    fs.utimesSync(`${file}.new`, atime, mtime);
    fs.renameSync(`${file}.new`, file);
    const replaced = await source.stamp();
    expect(replaced).not.toBe(before);
    fs.writeFileSync(file, Buffer.alloc(8192, 3));
    fs.utimesSync(file, atime, mtime);
    expect(await source.stamp()).not.toBe(replaced);
  });

  it('tells where it has holes, and nothing is read of them', async () => {
    const MIB = 1024 * 1024;
    const sparse = path.join(directory, 'sparse.img');
    fs.writeFileSync(sparse, '');
    fs.truncateSync(sparse, 64 * MIB);
    const fd = fs.openSync(sparse, 'r+');
    fs.writeSync(fd, Buffer.alloc(4096, 5), 0, 4096, 21 * MIB);
    fs.closeSync(fd);
    const device = await createFileSource(sparse).open();
    expect(await device.allocated(0, 4 * MIB)).toEqual([]);
    expect(await device.allocated(20 * MIB, 4 * MIB)).toHaveLength(1);
    let bytes = 0;
    const counted: BlockDevice = {
      ...device,
      read: (offset, target) => {
        bytes += target.length;
        return device.read(offset, target);
      },
    };
    const whole: Buffer[] = [];
    for await (const { data } of readWindows(counted, 0, 64 * MIB)) whole.push(Buffer.from(data));
    await device.close();
    expect(Buffer.concat(whole).equals(fs.readFileSync(sparse))).toBe(true);
    expect(bytes).toBe(4 * MIB);
  });

  it('tells nothing of what is no file, and says when there is none', async () => {
    expect(await createFileSource(directory).stamp()).toBeUndefined();
    await expect(createFileSource(`${file}.none`).stamp()).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
  });
});
