import { HoldfastError } from '@holdfast/errors';
import type { FramePacker } from '../frames/frame-packer.ts';
import type { DigestFile } from './digest-file.ts';
import { type DiskScan, digestsOf } from './disk-scan.ts';
import { scanWindows } from './scan-windows.ts';
import { readWindows } from './windows.ts';

/** Readings of a disk that changes meanwhile before a scan is given up. */
const PASSES = 3;

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

/** Reads what was not read under its present stamp, until no stamp changes any more. */
export const readUntilStill = async (run: ScanRun, members: readonly Member[]): Promise<void> => {
  for (let pass = 1; ; pass += 1) {
    const changed = await changedOf(members);
    if (changed.length === 0) return;
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

/** Reads a whole disk into the closing cut; what an earlier pass found is what it is compared with. */
const readAll = async ({ signal, onRead }: ScanRun, member: Member): Promise<void> => {
  const { disk, packer } = member;
  const { size } = disk.device;
  const before = member.next ?? disk.copy;
  const base = before === undefined ? disk.base : digestsOf(before, size, size);
  member.next ??= disk.store.createNext();
  // Opened anew: another file may have taken its place.
  const device = await disk.source.open();
  const windows = readWindows(device, 0, size);
  try {
    if (device.size !== size) throw notStill([disk.source.name]);
    const { unreadable } = await scanWindows({ windows, base, packer, target: member.next, signal, onRead });
    disk.unreadable = unreadable;
  } finally {
    await windows.return(undefined);
    await device.close();
  }
};

const notStill = (names: readonly string[]): HoldfastError =>
  new HoldfastError('CAPTURE_NOT_CONVERGED', {
    thing: names.join(', '),
    why: `it changed while it was read, ${PASSES} times, or cannot tell whether it does`,
    remedy: 'scan a snapshot, or stop what writes to it',
  });
