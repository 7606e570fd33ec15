import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isHoldfastError } from '@holdfast/errors';
import { cutText } from './disk-table.ts';
import { findMemoryDirectory, type MemoryFolder, openMemoryFolder } from './memory-file.ts';
import { DISK_LIMIT, HEADER, halfOffset, slotOffset, stateBytes, turnOffset, VERSION } from './memory-layout.ts';
import { secondsAsleep } from './sleep.ts';
import { createTrackingMemory, openTrackingMemory, type TrackingMemory } from './tracking-memory.ts';

const MACHINE = '0123456789abcdef0123456789abcdef';
const SHAPE = { machineId: MACHINE, cpus: 2, subBufferBytes: 4096, kilobytes: '64', asleep: secondsAsleep() };

let directory: string;
let folder: MemoryFolder;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-memory-'));
  folder = openMemoryFolder(directory, 'name');
});

afterEach(() => {
  folder.close();
  rmSync(directory, { recursive: true });
});

const state = (): Buffer => readFileSync(join(directory, 'name', 'state'));

const reopen = (): ReturnType<typeof openTrackingMemory> => {
  folder.close();
  folder = openMemoryFolder(directory, 'name');
  return openTrackingMemory(folder, MACHINE);
};

const codeOf = (work: () => unknown): string | undefined => {
  try {
    work();
    return undefined;
  } catch (reason) {
    return isHoldfastError(reason) ? `${reason.code} ${reason.thing} ${reason.why}` : String(reason);
  }
};

describe('tracking memory', () => {
  it('lies in the file as documented', () => {
    const memory = createTrackingMemory(folder, SHAPE);
    memory.disks.fill(3, { major: 254, minor: 17, size: 2 ** 41, diskSequence: 9, serial: 'Größe', gathersDiscards: true });
    memory.disks.setBaseline(3, 12345);
    memory.disks.setStage(3, 'traced');
    memory.markUsed();
    memory.slot(1).words[0] = 0xfeed;
    const sectors = new Float64Array(DISK_LIMIT);
    sectors[3] = 56;
    memory.book(0, 7, sectors);
    const bytes = state();
    expect(bytes.toString('latin1', 0, 8)).toBe('HFTRACE\0');
    expect([8, 12, 16, 20, 24].map((at) => bytes.readUInt32LE(at))).toEqual([2, 1, 2, 4096, process.pid]);
    expect(bytes.toString('hex', 48, 64)).toBe(MACHINE);
    expect(bytes.toString('latin1', 64, 67)).toBe('64\0');
    expect(bytes.readDoubleLE(128)).toBe(SHAPE.asleep);
    const disk = 4096 + 3 * 128;
    expect([0, 4, 8, 12].map((at) => bytes.readUInt32LE(disk + at))).toEqual([2, 254, 17, 1]);
    expect([16, 24, 32].map((at) => bytes.readDoubleLE(disk + at))).toEqual([2 ** 41, 9, 12345]);
    expect(bytes.toString('utf8', disk + 64, disk + 72)).toBe('Größe\0');
    expect(bytes.readUInt32LE(12288)).toBe(1);
    expect(bytes.readDoubleLE(12288 + 640)).toBe(7);
    expect(bytes.readDoubleLE(12288 + 640 + 8 + 3 * 8)).toBe(56);
    expect(bytes.readUInt32LE(16384 + 4096)).toBe(0xfeed);
    expect(bytes.length).toBe(16384 + 2 * 4096);
  });

  it('keeps its parts apart for every number of CPUs', () => {
    for (const cpus of [1, 2, 3, 64, 1024]) {
      const last = cpus - 1;
      expect(halfOffset(last, 0)).toBeGreaterThanOrEqual(turnOffset(last) + 4);
      expect(halfOffset(last, 1)).toBeGreaterThanOrEqual(halfOffset(last, 0) + 8 * (DISK_LIMIT + 1));
      expect(turnOffset(cpus)).toBeGreaterThanOrEqual(halfOffset(last, 1) + 8 * (DISK_LIMIT + 1));
      expect(slotOffset(cpus, 4096, 0)).toBeGreaterThanOrEqual(turnOffset(cpus));
      expect(stateBytes(cpus, 4096)).toBe(slotOffset(cpus, 4096, last) + 4096);
    }
  });

  it('is found again by its machine, with everything in it', () => {
    const memory = createTrackingMemory(folder, SHAPE);
    const disk = { major: 7, minor: 3, size: 10 * 4096, diskSequence: 9, serial: 's'.repeat(64), gathersDiscards: false, bioBased: true };
    memory.disks.fill(0, disk);
    memory.dirty(0, true).add(5);
    memory.disks.setStage(0, 'traced');
    memory.markUsed();
    for (let turn = 1; turn <= 5; turn += 1) memory.book(1, turn, new Float64Array(DISK_LIMIT).fill(turn));
    const again = reopen() as TrackingMemory;
    expect(again.shape).toEqual(SHAPE);
    expect(again.disks.indexes('traced')).toEqual([0]);
    expect(again.disks.disk(0)).toEqual(disk);
    expect([again.booked(0), again.booked(1), again.sectors(0), again.sectors(63)]).toEqual([0, 15, 15, 15]);
    expect(again.hasDirty(0)).toBe(true);
    expect([...again.dirty(0, false).runs()]).toEqual([{ first: 5, count: 1 }]);
    expect(again.dirty(0, true).size).toBe(0);
    again.forgetDirty(0);
    expect(again.hasDirty(0)).toBe(false);
  });

  const doubleBytes = (value: number): number[] => [...new Uint8Array(Float64Array.of(value).buffer)];

  const patch = (offset: number, bytes: readonly number[]) => (): void => {
    const all = state();
    all.set(bytes, offset);
    writeFileSync(join(directory, 'name', 'state'), all);
  };

  it.each([
    ['another version', patch(HEADER.version, [VERSION + 1]), /version/],
    ['no magic', patch(0, [0]), /version/],
    ['another start of the machine', patch(HEADER.bootId, [1, 2, 3]), /started anew/],
    ['another machine', patch(HEADER.machineId, [9]), /another machine/],
    ['a sleep', patch(HEADER.asleep, doubleBytes(secondsAsleep() - 3)), /slept/],
    ['a loss', patch(HEADER.stage, [2]), /lost before/],
    ['another number of CPUs', patch(HEADER.cpus, [3]), /cut off/],
    ['an absurd number of CPUs', patch(HEADER.cpus, [255, 255, 255, 255]), /cut off/],
    ['its end missing', () => truncateSync(join(directory, 'name', 'state'), 20000), /cut off/],
    ['all but its beginning missing', () => truncateSync(join(directory, 'name', 'state'), 30), /cut off/],
  ])('is not gone on with after %s', (_name, act, words) => {
    createTrackingMemory(folder, SHAPE).markUsed();
    act();
    expect(reopen()).toEqual({ reason: expect.stringMatching(words) });
  });

  it('counts as not there when it was never finished', () => {
    expect(openTrackingMemory(folder, MACHINE)).toBeUndefined();
    createTrackingMemory(folder, SHAPE);
    expect(reopen()).toBeUndefined();
  });

  it.each(['', 'short', 'x'.repeat(64), 'x'.repeat(65), `${'x'.repeat(63)}ö`, 'zero\0inside'])(
    'keeps as much of serial number %# as it says',
    (serial) => {
      const { disks } = createTrackingMemory(folder, SHAPE);
      disks.fill(0, { major: 1, minor: 1, size: 4096, diskSequence: 1, serial });
      expect(disks.disk(0).serial).toBe(cutText(serial));
      expect(serial.startsWith(cutText(serial))).toBe(true);
    },
  );

  it('is made anew over a larger one', () => {
    createTrackingMemory(folder, { ...SHAPE, cpus: 9 }).markUsed();
    createTrackingMemory(folder, SHAPE).markUsed();
    expect(reopen()).toHaveProperty('shape', SHAPE);
  });
});

describe('memory folder', () => {
  it('admits one user at a time and names it', () => {
    createTrackingMemory(folder, SHAPE).markUsed();
    expect(codeOf(() => openMemoryFolder(directory, 'name'))).toBe(`AGENT_RUNNING ${directory}/name process ${process.pid} is using it`);
    folder.close();
    folder = openMemoryFolder(directory, 'name');
  });

  it('leaves nothing behind when destroyed', () => {
    folder.map('dirty-0', 4096, true);
    folder.destroy();
    expect(() => readFileSync(join(directory, 'name', 'state'))).toThrow('ENOENT');
    folder = openMemoryFolder(directory, 'name');
  });

  it('is not made in a directory of a disk', () => {
    expect(codeOf(() => findMemoryDirectory('/proc'))).toMatch(/^SETTING_INVALID memoryDirectory \/proc/);
    expect(codeOf(() => findMemoryDirectory('/no/such/place'))).toMatch(/^SETTING_INVALID/);
  });
});
