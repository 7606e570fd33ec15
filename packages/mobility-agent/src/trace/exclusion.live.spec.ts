import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Extent, totalLength } from '@holdfast/block';
import { identifyDevice } from './device.ts';
import { allocateReadBuffer, openDirectReader } from './direct-reader.ts';
import { excludableExtents } from './exclusion.ts';
import { createLoopDisk, type LoopDisk, run } from './testing/loop-disk.ts';

const MIB = 1024 * 1024;
const BLOCK = 4096;

let loop: LoopDisk | undefined;
let mounted: string | undefined;

afterEach(() => {
  if (mounted !== undefined) {
    run('umount', mounted);
    rmSync(mounted, { recursive: true });
  }
  loop?.detach();
  loop = undefined;
  mounted = undefined;
});

/** A file system on a new disk, or in a partition of it. */
const mount = (type: string, partitionAt?: number): { disk: LoopDisk; folder: string } => {
  const disk = createLoopDisk(400 * MIB, partitionAt);
  loop = disk;
  const node = partitionAt === undefined ? disk.path : `${disk.path}p1`;
  run(`mkfs.${type}`, '-q', ...(type === 'ext4' ? ['-b', String(BLOCK)] : []), node);
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-mount-'));
  run('mount', node, folder);
  mounted = folder;
  return { disk, folder };
};

const writeFile = (path: string, content: Buffer, sync: boolean): void => {
  const fd = openSync(path, 'w');
  writeSync(fd, content);
  if (sync) fsyncSync(fd);
  closeSync(fd);
};

const blocksOf = (content: Uint8Array): string[] => {
  const buffer = Buffer.from(content.buffer, content.byteOffset, content.length);
  return Array.from({ length: content.length / BLOCK }, (_, block) => buffer.toString('base64', block * BLOCK, (block + 1) * BLOCK));
};

const readExtents = (disk: LoopDisk, extents: readonly Extent[]): string[] => {
  const reader = openDirectReader(identifyDevice(disk.path));
  const blocks = extents.flatMap(({ offset, length }) => {
    const target = allocateReadBuffer(length);
    reader.read(offset, target);
    return blocksOf(target);
  });
  reader.close();
  return blocks;
};

describe('excludableExtents', () => {
  it.each<[string, string, number | undefined]>([
    ['ext4 on a disk', 'ext4', undefined],
    ['ext4 in a partition', 'ext4', 3 * MIB],
    ['XFS on a disk', 'xfs', undefined],
    ['XFS in a partition', 'xfs', 2 * MIB],
  ])('finds the very blocks of a file: %s', (_name, type, partitionAt) => {
    const { disk, folder } = mount(type, partitionAt);
    const path = join(folder, 'journal');
    run('fallocate', '--length', String(4 * MIB), join(folder, 'before'));
    const content = randomBytes(8 * MIB);
    writeFile(path, content, true);
    const extents = excludableExtents(path, identifyDevice(disk.path));
    expect(totalLength(extents)).toBe(content.length);
    expect(new Set(readExtents(disk, extents))).toEqual(new Set(blocksOf(content)));
    expect(readFileSync(path).equals(content)).toBe(true);
  });

  it('counts preallocated room, and everything of a file in many pieces', () => {
    const { disk, folder } = mount('ext4');
    const path = join(folder, 'journal');
    run('fallocate', '--length', String(16 * MIB), path);
    const device = identifyDevice(disk.path);
    expect(totalLength(excludableExtents(path, device))).toBe(16 * MIB);
    // A hole in every other block makes more extents than one call returns.
    const pieces = 150;
    for (let piece = 0; piece < pieces; piece += 1)
      run('fallocate', '--punch-hole', '--offset', String(piece * 2 * BLOCK), '--length', String(BLOCK), path);
    const extents = excludableExtents(path, device);
    expect(totalLength(extents)).toBe(16 * MIB - pieces * BLOCK);
    expect(extents.length).toBeGreaterThanOrEqual(pieces);
  });

  it('leaves out what is not on the disk yet', () => {
    const { disk, folder } = mount('ext4');
    const path = join(folder, 'journal');
    writeFile(path, randomBytes(MIB), true);
    const fd = openSync(path, 'a');
    writeSync(fd, randomBytes(MIB));
    const device = identifyDevice(disk.path);
    expect(totalLength(excludableExtents(path, device))).toBe(MIB);
    fsyncSync(fd);
    expect(totalLength(excludableExtents(path, device))).toBe(2 * MIB);
    closeSync(fd);
  });

  it('leaves out what other files share', () => {
    const { disk, folder } = mount('xfs');
    const path = join(folder, 'journal');
    writeFile(path, randomBytes(2 * MIB), true);
    const device = identifyDevice(disk.path);
    expect(totalLength(excludableExtents(path, device))).toBe(2 * MIB);
    run('cp', '--reflink=always', path, join(folder, 'copy'));
    expect(excludableExtents(path, device)).toEqual([]);
  });

  it('knows nothing of files elsewhere', () => {
    const { disk, folder } = mount('ext4');
    const device = identifyDevice(disk.path);
    const elsewhere = mkdtempSync('/dev/shm/holdfast-elsewhere-');
    writeFileSync(join(elsewhere, 'file'), randomBytes(MIB));
    expect(excludableExtents(join(elsewhere, 'file'), device)).toEqual([]);
    rmSync(elsewhere, { recursive: true });
    writeFile(join(folder, 'journal'), randomBytes(MIB), true);
    const other = createLoopDisk(MIB);
    expect(excludableExtents(join(folder, 'journal'), identifyDevice(other.path))).toEqual([]);
    other.detach();
  });

  it('trusts no file system whose addresses are its own', () => {
    const { disk, folder } = mount('btrfs');
    writeFile(join(folder, 'journal'), randomBytes(4 * MIB), true);
    expect(excludableExtents(join(folder, 'journal'), identifyDevice(disk.path))).toEqual([]);
  });

  it('says when there is no such file', () => {
    const { disk, folder } = mount('ext4');
    mkdirSync(join(folder, 'empty'));
    expect(() => excludableExtents(join(folder, 'none'), identifyDevice(disk.path))).toThrow('OBJECT_NOT_FOUND');
  });
});
