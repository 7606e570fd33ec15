import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { hasDirtySet, openDirtySet, removeDirtySet } from './dirty-set.ts';
import { type MemoryFolder, openMemoryFolder } from './memory-file.ts';

const TEBIBYTE = 2 ** 40;

let directory: string;
let folder: MemoryFolder;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-dirty-'));
  folder = openMemoryFolder(directory, 'name');
});

afterEach(() => {
  folder.close();
  rmSync(directory, { recursive: true });
});

const file = (name: string): Buffer => readFileSync(join(directory, 'name', name));
const sizes = (): number[] => ['dirty-7', 'leaves-7'].map((name) => folder.sizeOf(name));

describe('the dirty set of a disk', () => {
  it('lies in its files as documented', () => {
    const set = openDirtySet(folder, 7, 40 * 2 ** 20, true);
    set.add(5 * 1024 + 33);
    set.addRun(2 * 1024, 1024);
    const table = file('dirty-7');
    expect(Array.from({ length: table.length / 4 }, (_, region) => table.readUInt32LE(region * 4))).toEqual([
      ...[0, 0, 0xffff_ffff, 0, 0],
      ...[1, 0, 0, 0, 0],
    ]);
    expect(file('leaves-7').readUInt32LE(4)).toBe(2);
  });

  it('takes the memory that what is in it needs', () => {
    const set = openDirtySet(folder, 7, TEBIBYTE, true);
    expect(sizes()).toEqual([2 ** 20, 0]);
    const blocks = Array.from({ length: 5000 }, (_, index) => index * 50_021);
    for (const block of blocks) set.add(block);
    expect(sizes()).toEqual([2 ** 20, 10 * 65_536]);
    for (const block of blocks.slice(0, -1)) set.delete(block);
    expect(sizes()[1]).toBeLessThan(4 * 65_536);
    expect([...openDirtySet(folder, 7, TEBIBYTE, false).runs()]).toEqual([{ first: blocks.at(-1), count: 1 }]);
  });

  it('is found again, also by a disk that grew', () => {
    const set = openDirtySet(folder, 7, TEBIBYTE, true);
    set.addBytes(TEBIBYTE - 1, 1);
    set.addRun(1000, 5000);
    const found = [...set.runs()];
    expect([...openDirtySet(folder, 7, TEBIBYTE, false).runs()]).toEqual(found);
    expect(hasDirtySet(folder, 7, TEBIBYTE)).toBe(true);
    expect(hasDirtySet(folder, 7, 2 * TEBIBYTE)).toBe(false);
    const grown = openDirtySet(folder, 7, 2 * TEBIBYTE, false);
    expect([...grown.runs()]).toEqual(found);
    expect(hasDirtySet(folder, 7, 2 * TEBIBYTE)).toBe(true);
    expect(openDirtySet(folder, 7, TEBIBYTE, true).size).toBe(0);
    removeDirtySet(folder, 7);
    expect(hasDirtySet(folder, 7, TEBIBYTE)).toBe(false);
    expect(openDirtySet(folder, 7, TEBIBYTE, false).size).toBe(0);
  });

  it('may still be cleared when its files are gone', () => {
    const set = openDirtySet(folder, 7, TEBIBYTE, true);
    const blocks = Array.from({ length: 5000 }, (_, index) => index * 50_021);
    for (const block of blocks) set.add(block);
    removeDirtySet(folder, 7);
    for (const block of blocks) set.delete(block);
    expect(set.size).toBe(0);
    expect(sizes()).toEqual([0, 0]);
  });

  it('marks more when there is no memory for what was written', () => {
    const full = new HoldfastError('NO_SPACE', { thing: 'leaves-7', why: 'there is no room', remedy: 'make some' });
    const set = openDirtySet(
      Object.assign(Object.create(folder) as MemoryFolder, {
        map: folder.map.bind(folder),
        shorten: folder.shorten.bind(folder),
        sizeOf: folder.sizeOf.bind(folder),
        mapPiece: () => {
          throw full;
        },
      }),
      7,
      TEBIBYTE,
      true,
    );
    set.add(1500);
    expect([...set.runs()]).toEqual([{ first: 1024, count: 1024 }]);
    // A successor that has memory knows no better.
    expect([...openDirtySet(folder, 7, TEBIBYTE, false).runs()]).toEqual([{ first: 1024, count: 1024 }]);
  });
});
