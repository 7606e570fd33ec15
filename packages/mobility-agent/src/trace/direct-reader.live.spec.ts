import { randomBytes } from 'node:crypto';
import { closeSync, openSync, truncateSync, writeSync } from 'node:fs';
import { isHoldfastError } from '@holdfast/errors';
import { identifyDevice } from './device.ts';
import { allocateReadBuffer, openDirectReader } from './direct-reader.ts';
import { createLoopDisk, type LoopDisk, run } from './testing/loop-disk.ts';

const MIB = 1024 * 1024;
const SIZE = 8 * MIB + 1536;

let loop: LoopDisk;
let content: Buffer;

beforeEach(() => {
  loop = createLoopDisk(SIZE);
  content = randomBytes(SIZE);
  const fd = openSync(loop.image, 'r+');
  writeSync(fd, content);
  closeSync(fd);
});

afterEach(() => loop.detach());

const codeOf = (work: () => unknown): string => {
  try {
    work();
    return 'no error';
  } catch (reason) {
    return isHoldfastError(reason) ? `${reason.code} ${reason.why}` : String(reason);
  }
};

describe('direct reader', () => {
  it.each([
    [0, 4 * MIB],
    [4096, 4096],
    [512, 1024],
    [8 * MIB - 4096, 4096 + 1536],
    [0, 8 * MIB + 1536],
  ])('reads from byte %i on %i bytes', (offset, length) => {
    const reader = openDirectReader(identifyDevice(loop.path));
    const target = allocateReadBuffer(length);
    expect(reader.read(offset, target)).toEqual([]);
    expect(Buffer.compare(target, content.subarray(offset, offset + length))).toBe(0);
    reader.close();
  });

  it('sees what was written past the cache, unlike a buffered reader', () => {
    const reader = openDirectReader(identifyDevice(loop.path));
    const target = allocateReadBuffer(4096);
    reader.read(0, target);
    run('dd', 'if=/dev/zero', `of=${loop.path}`, 'bs=4k', 'count=1', 'oflag=direct', 'conv=notrunc');
    reader.read(0, target);
    expect(target.every((byte) => byte === 0)).toBe(true);
    reader.close();
  });

  it('names the blocks that cannot be read, and reads all others', () => {
    const reader = openDirectReader(identifyDevice(loop.path));
    // The loop device fails to read where its file has ended.
    truncateSync(loop.image, 5 * MIB + 3 * 4096);
    const target = allocateReadBuffer(4 * MIB);
    expect(reader.read(3 * MIB, target)).toEqual([{ offset: 5 * MIB + 3 * 4096, length: 2 * MIB - 3 * 4096 }]);
    const good = 2 * MIB + 3 * 4096;
    expect(Buffer.compare(target.subarray(0, good), content.subarray(3 * MIB, 3 * MIB + good))).toBe(0);
    expect(target.subarray(good).every((byte) => byte === 0)).toBe(true);
    expect(reader.read(0, target)).toEqual([]);
    reader.close();
  });

  it('reads many extents at the same time, and around what cannot be read', () => {
    const reader = openDirectReader(identifyDevice(loop.path));
    const bad = 5 * MIB;
    truncateSync(loop.image, bad);
    // More than are under way at once, not in order, the last one short of a block.
    const places = [...Array.from({ length: 70 }, (_, index) => ((index * 37) % 1000) * 4096), 8 * MIB];
    const buffer = allocateReadBuffer(places.length * 8192);
    const reads = places.map((offset, index) => ({
      offset,
      target: buffer.subarray(index * 8192, index * 8192 + (offset === 8 * MIB ? 1536 : 8192)),
    }));
    for (let round = 0; round < 3; round += 1) {
      buffer.fill(0xaa);
      const unreadable = reader.readAll(reads);
      for (const [index, { offset, target }] of reads.entries()) {
        const isBad = offset >= bad;
        expect(unreadable[index]).toEqual(isBad ? [{ offset, length: target.length }] : []);
        const expected = isBad ? Buffer.alloc(target.length) : content.subarray(offset, offset + target.length);
        expect(Buffer.compare(target, expected)).toBe(0);
      }
    }
    expect(() => reader.readAll(reads.map(({ offset }) => ({ offset, target: new Uint8Array(4096) })))).toThrow('INTERNAL');
    reader.close();
  });

  it('names a disk that shrank', () => {
    const reader = openDirectReader(identifyDevice(loop.path));
    truncateSync(loop.image, 4 * MIB);
    run('losetup', '--set-capacity', loop.path);
    const target = allocateReadBuffer(MIB);
    expect(reader.read(0, target)).toEqual([]);
    expect(codeOf(() => reader.read(3.5 * MIB, target))).toMatch(/^DEVICE_CHANGED/);
    expect(codeOf(() => reader.read(6 * MIB, target))).toMatch(/^DEVICE_CHANGED/);
    reader.close();
  });

  it('does not open another disk than the one identified', () => {
    const device = identifyDevice(loop.path);
    expect(codeOf(() => openDirectReader({ ...device, diskSequence: device.diskSequence - 1 }))).toMatch(
      'DEVICE_CHANGED there is another disk',
    );
    expect(codeOf(() => openDirectReader({ ...device, minor: device.minor + 1 }))).toMatch(/^DEVICE_CHANGED/);
    expect(codeOf(() => openDirectReader({ ...device, size: device.size + 512 }))).toMatch(`DEVICE_CHANGED it has ${SIZE} bytes`);
  });

  it('wants aligned reads', () => {
    const reader = openDirectReader(identifyDevice(loop.path));
    expect(codeOf(() => reader.read(100, allocateReadBuffer(4096)))).toMatch(/^INTERNAL/);
    reader.close();
  });
});
