import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type BlockDevice, openFileDevice } from '@holdfast/block';
import { listLoops } from '../host/loop-devices.ts';
import { isWithin, listMounts } from '../host/mounts.ts';
import { runTool } from '../host/run-tool.ts';
import { cleanUp } from '../record/clean-up.ts';
import { createRecorder, newRunId, type Recorder } from '../record/run-record.ts';
import { createSite, type SiteDisk } from '../site/site.ts';
import { readStamp, STAMP_SIZE, writeStamp } from '../workload/stamp.ts';
import { STAMPED_BLOCKS, STAMPED_FILE } from '../workload/stamped-files.ts';
import { startWorkload } from '../workload/workload.ts';
import type { CheckedPoint } from './checked-point.ts';
import { verifyPoint } from './verify-point.ts';

/*
 * Real disks under the real workload, frozen and copied: a true copy must pass every check, and each kind of wrong one must fail the check
 * that is there for it.
 */

const SEED = 11;
const DISK_SIZE = 320 << 20;

let recorder: Recorder;
let parent: string;
let site: SiteDisk[];
let ledgers: string;
let instant: bigint;

const copyOf = (disk: SiteDisk): string => `${disk.file}.copy`;

beforeAll(async () => {
  parent = mkdtempSync(path.join(os.tmpdir(), 'lab-verify-'));
  recorder = createRecorder(newRunId(), parent);
  const { directory } = recorder.record;
  site = await createSite({ directory, diskSize: DISK_SIZE });
  ledgers = path.join(directory, 'ledgers');
  mkdirSync(ledgers);
  const workload = await startWorkload({
    settings: { mountPoints: site.map(({ mountPoint }) => mountPoint), directory: ledgers, seed: SEED },
    onStart: (pid) => recorder.noteProcess(pid),
  });
  while (workload.counts.commits < 300) await new Promise((resolve) => setTimeout(resolve, 50));
  for (const { mountPoint } of site) await runTool('fsfreeze', ['--freeze', mountPoint]);
  instant = process.hrtime.bigint();
  for (const disk of site) cpSync(disk.file, copyOf(disk));
  for (const { mountPoint } of site) await runTool('fsfreeze', ['--unfreeze', mountPoint]);
  await workload.stop();
});

afterAll(async () => {
  expect((await cleanUp(recorder.file, recorder.record)).failures).toEqual([]);
  rmSync(parent, { recursive: true });
});

type Open = (disk: SiteDisk) => Promise<BlockDevice>;

const openCopy: Open = (disk) => openFileDevice(copyOf(disk), { readOnly: true });

const verify = (open: Open = openCopy, at = instant): Promise<CheckedPoint> =>
  verifyPoint(
    {
      id: 'p',
      time: 0,
      instant: at,
      chosen: 'newest',
      disks: site.map((disk) => ({ name: disk.name, fileSystem: disk.fileSystem, open: () => open(disk) })),
    },
    { directory: path.join(recorder.record.directory, 'recovered'), ledgers, seed: SEED },
  );

const badChecks = ({ good, verdicts }: CheckedPoint): string[] => {
  const bad = verdicts.filter((verdict) => !verdict.good).map(({ check }) => check);
  expect(good).toBe(bad.length === 0);
  return bad;
};

/** The device with some of its bytes changed; `after` so many reads only. */
const tampered = (device: BlockDevice, offset: number, bytes: Buffer, after = 0): BlockDevice => {
  let reads = 0;
  return {
    ...{ size: device.size, readOnly: true },
    write: (at, data) => device.write(at, data),
    zero: (at, length) => device.zero(at, length),
    flush: () => device.flush(),
    allocated: (at, length) => device.allocated(at, length),
    close: () => device.close(),
    read: async (at, target) => {
      await device.read(at, target);
      const from = Math.max(at, offset);
      const to = Math.min(at + target.length, offset + bytes.length);
      if (from >= to) return;
      reads += 1;
      if (reads > after) target.set(bytes.subarray(from - offset, to - offset), from - at);
    },
  };
};

describe.unless(lacks('root', 'mkfs.ext4', 'mkfs.xfs', 'qemu-img', 'fsfreeze'), 'verifying a point', () => {
  it('finds nothing wrong with a true copy, and leaves nothing behind', async () => {
    const checked = await verify();
    expect(checked.verdicts.map(({ check }) => check)).toEqual(['NBD = raw', 'ext4', 'xfs', 'ledger', 'stamps', 'files']);
    expect(checked.verdicts.flatMap(({ faults }) => faults)).toEqual([]);
    const { directory } = recorder.record;
    expect(existsSync(path.join(directory, 'recovered'))).toBe(false);
    expect(listMounts().filter((one) => isWithin(one.directory, directory))).toHaveLength(site.length);
    expect((await listLoops()).filter((one) => isWithin(one.file, directory) && !one.autoclear)).toHaveLength(site.length);
  });

  it('sees an instant that is not the copy’s', async () => {
    expect(badChecks(await verify(openCopy, instant - 1_000_000_000n))).toEqual(['ledger', 'stamps', 'files']);
  });

  it('sees an NBD server that serves something else than was exported', async () => {
    const flicker: Open = async (disk) =>
      disk.name === 'xfs' ? tampered(await openCopy(disk), 100 << 20, Buffer.from('not this'), 1) : openCopy(disk);
    expect(badChecks(await verify(flicker))).toEqual(['NBD = raw']);
  });

  it.each([
    // Blocks 2 to 601 hold the bitmaps and inodes of the first groups; the second sectors of XFS its free space and inode roots.
    ['ext4', 'ext4', (device: BlockDevice) => tampered(device, 2 * 4096, Buffer.alloc(600 * 4096, 0xff))],
    ['xfs', 'xfs', (device: BlockDevice) => tampered(device, 4096, Buffer.alloc(4096, 0xff))],
  ])('sees a damaged %s', async (name, check, damage) => {
    const open: Open = async (disk) => (disk.name === name ? damage(await openCopy(disk)) : openCopy(disk));
    expect(badChecks(await verify(open))).toContain(check);
  });

  it.each(['ext4', 'xfs'])('sees one block of %s that is older than it should be', async (name) => {
    const disk = site.find((one) => one.name === name)!;
    const { at, older } = olderBlock(readFileSync(copyOf(disk)), STAMPED_FILE + site.indexOf(disk));
    const open: Open = async (one) => (one === disk ? tampered(await openCopy(one), at, older) : openCopy(one));
    expect(badChecks(await verify(open))).toEqual(['stamps']);
  });

  it('says so when a disk cannot be read at all', async () => {
    const checked = await verify(async () => {
      throw new Error('the vault is gone');
    });
    expect(badChecks(checked)).toEqual(['NBD = raw', 'ext4', 'xfs']);
    expect(checked.verdicts[0]!.says).toBe('the vault is gone');
  });
});

/** A block of the stamped file that was overwritten, where the image holds it, and what it held at first. */
const olderBlock = (image: Buffer, file: number): { at: number; older: Buffer } => {
  const first = Buffer.alloc(STAMP_SIZE);
  for (let block = 0; block < STAMPED_BLOCKS; block += 1) {
    writeStamp({ file, block, sequence: 0, time: 0n }, first);
    // Found by what all stamps of the block begin with; it lies in one place, in one piece.
    const at = image.indexOf(first.subarray(0, 12));
    const now = readStamp(image.subarray(at, at + STAMP_SIZE));
    if (at >= 0 && typeof now !== 'string' && now.sequence > 0) return { at, older: Buffer.from(first) };
  }
  throw new Error('no block was overwritten');
};
