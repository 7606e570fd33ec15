import { createLoopDisk } from '../trace/testing/loop-disk.ts';
import { createZramDisk, ZRAM } from '../trace/testing/zram-disk.ts';
import { PREFIX_DISK_SIZE, type PrefixOptions, type PrefixOutcome, runExactPrefix } from './testing/exact-prefix.ts';

const run = async (options: Pick<PrefixOptions, 'pauseMicroseconds' | 'checkConflicts' | 'busyFrom'>): Promise<PrefixOutcome> => {
  // One that the kernel hands requests, and one that it does not.
  const disks = [createLoopDisk(PREFIX_DISK_SIZE), createZramDisk(PREFIX_DISK_SIZE)];
  try {
    return await runExactPrefix({ ...options, paths: disks.map(({ path }) => path), milliseconds: 8_000 });
  } finally {
    for (const disk of disks) disk.detach();
  }
};

describe.unless(lacks('root', 'losetup', ZRAM), 'cuts of two live disks', () => {
  test('every point is an exact prefix of every writer across both disks', async () => {
    const outcome = await run({ pauseMicroseconds: 400, checkConflicts: true });
    expect(outcome.wrong).toEqual([]);
    expect(outcome.points).toBeGreaterThan(20);
    expect(outcome.silences).toBe(0);
  });

  test('also where writes that begin are told of only while something is read', async () => {
    const outcome = await run({ pauseMicroseconds: 400, checkConflicts: true, busyFrom: 0 });
    expect(outcome.wrong).toEqual([]);
    expect(outcome.points).toBeGreaterThan(20);
    expect(outcome.silences).toBeGreaterThan(5);
  });

  test('with the conflict check off the same oracle finds wrong points', async () => {
    const outcome = await run({ pauseMicroseconds: 0, checkConflicts: false });
    expect(outcome.points).toBeGreaterThan(5);
    expect(outcome.wrong.length).toBeGreaterThan(0);
  });
});
