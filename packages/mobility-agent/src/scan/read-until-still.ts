import type { BlockDevice } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import type { FramePacker } from '../frames/frame-packer.ts';
import type { DigestFile } from './digest-file.ts';
import { type DiskScan, digestsOf } from './disk-scan.ts';
import { scanWindows } from './scan-windows.ts';
import { readWindows } from './windows.ts';

/** Readings of a disk that changes meanwhile before a scan is given up. */
const PASSES = 3;
/** Attempts at snapshots of several disks at one instant. */
const SNAPSHOTS = 8;

/** One call of `scan`. */
export interface ScanRun {
  readonly disks: readonly DiskScan[];
  readonly signal: AbortSignal | undefined;
  readonly progress: { pass: number; done: number };
  onRead(bytes: number): void;
}

/** One disk of the closing cut. */
export interface Member {
  readonly disk: DiskScan;
  readonly packer: FramePacker;
  /** The digests of what was read for this cut; undefined while there was no need to read. */
  next: DigestFile | undefined;
}

/**
 * Reads what was not read under its present stamp, until no stamp changes any more; or what changes while it is read out of snapshots. Tells
 * what `now` told when all was as it was read; of a disk alone that never rests, right before that.
 */
export const readUntilStill = async <T>(run: ScanRun, members: readonly Member[], now: () => T): Promise<T> => {
  for (let pass = 1; ; pass += 1) {
    // Before the look: what is written after it is not in the cut.
    const time = now();
    const changed = await changedOf(members);
    if (changed.length === 0) return time;
    if (pass > 1) {
      const snapshots = await snapshotsOf(members, now);
      if (snapshots !== undefined) return readSnapshots(run, snapshots);
    }
    if (pass > PASSES) throw notStill(changed.map(({ disk }) => disk.source.name));
    if (run.progress.done > 0) run.progress.pass += 1;
    run.progress.done = 0;
    for (const member of changed) {
      const { disk } = member;
      const stamp = await disk.source.stamp();
      await readAll(run, member);
      disk.stamp = stamp === (await disk.source.stamp()) ? stamp : undefined;
    }
  }
};

/** The disks of which the cut may not hold what is on them now. */
const changedOf = async (members: readonly Member[]): Promise<Member[]> => {
  const changed: Member[] = [];
  for (const member of members) {
    const { stamp, source } = member.disk;
    if (stamp === undefined || stamp !== (await source.stamp())) changed.push(member);
  }
  return changed;
};

/** The disks that changed, each as it was at the same instant. */
interface Snapshots<T> {
  readonly time: T;
  readonly devices: ReadonlyMap<Member, BlockDevice>;
}

/**
 * Snapshots of all disks but those that are still what was read of them. Two snapshots are of one instant when nothing was written to either disk
 * from before the first was made until after the last. Undefined where that cannot be had.
 */
const snapshotsOf = async <T>(members: readonly Member[], now: () => T): Promise<Snapshots<T> | undefined> => {
  for (let attempt = 0; attempt < SNAPSHOTS; attempt += 1) {
    const before = await stampsOf(members);
    const moving = members.filter(({ disk }, index) => disk.stamp === undefined || disk.stamp !== before[index]);
    const devices = new Map<Member, BlockDevice>();
    const close = async (): Promise<void> => {
      for (const device of devices.values()) await device.close();
    };
    try {
      const time = now();
      for (const member of moving) {
        const device = await member.disk.source.snapshot?.();
        if (device === undefined) {
          await close();
          return undefined;
        }
        devices.set(member, device);
      }
      const after = await stampsOf(members);
      const isStill = (index: number): boolean => before[index] !== undefined && before[index] === after[index];
      // A disk alone has one instant, whatever is written to it; and none of those that were not snapped may have changed.
      const alone = members.length === 1;
      if (alone || members.every((_, index) => isStill(index))) {
        for (const [index, { disk }] of members.entries()) disk.stamp = isStill(index) ? before[index] : undefined;
        return { time, devices };
      }
      await close();
    } catch (reason) {
      await close();
      throw reason;
    }
  }
  return undefined;
};

const stampsOf = async (members: readonly Member[]): Promise<(string | undefined)[]> => {
  const stamps: (string | undefined)[] = [];
  for (const { disk } of members) stamps.push(await disk.source.stamp());
  return stamps;
};

const readSnapshots = async <T>(run: ScanRun, { time, devices }: Snapshots<T>): Promise<T> => {
  run.progress.pass += 1;
  run.progress.done = 0;
  try {
    for (const [member, device] of devices) await readDevice(run, member, device);
  } finally {
    for (const device of devices.values()) await device.close();
  }
  return time;
};

/** Reads a whole disk as it is, opened anew: another file may have taken its place. */
const readAll = async (run: ScanRun, member: Member): Promise<void> => {
  const device = await member.disk.source.open();
  try {
    await readDevice(run, member, device);
  } finally {
    await device.close();
  }
};

/** Reads a whole disk into the closing cut; what an earlier pass found is what it is compared with. */
const readDevice = async ({ signal, onRead }: ScanRun, member: Member, device: BlockDevice): Promise<void> => {
  const { disk, packer } = member;
  const { size } = disk.device;
  const before = member.next ?? disk.copy;
  const base = before === undefined ? disk.base : digestsOf(before, size, size);
  member.next ??= disk.store.createNext();
  const windows = readWindows(device, 0, size);
  try {
    if (device.size !== size) throw notStill([disk.source.name]);
    const { unreadable } = await scanWindows({ windows, base, packer, target: member.next, signal, onRead });
    disk.unreadable = unreadable;
  } finally {
    await windows.return(undefined);
  }
};

const notStill = (names: readonly string[]): HoldfastError =>
  new HoldfastError('CAPTURE_NOT_CONVERGED', {
    thing: names.join(', '),
    why: `it changed while it was read, ${PASSES} times, or cannot tell whether it does`,
    remedy: 'keep it on a file system with clones (XFS, btrfs), or stop what writes to it',
  });
