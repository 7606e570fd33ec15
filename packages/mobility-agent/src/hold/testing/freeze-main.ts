// Freezes the file systems of disks for real, where no test runner is: freeze-main.ts MILLISECONDS DISK… For each disk in turn all that is on it is frozen
// for so long while others write; prints one line of JSON for each: the file systems chosen, in their order, sectors written to the disk while they were
// frozen and in the same time afterwards, and the report.
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { unpackDevice } from '../../trace/device.ts';
import { chooseFilesystems } from '../choose-filesystems.ts';
import { parseMountTable } from '../mount-table.ts';
import { openHold } from '../open-hold.ts';
import { WATCHDOG_COMMAND } from './watchdog-command.ts';

/** Milliseconds a hold may last here. */
const LONG = 120_000;
const SECTORS_WRITTEN = 6;

const [milliseconds, ...disks] = process.argv.slice(2);
const folder = mkdtempSync('/dev/shm/holdfast-freeze-');

const numberOf = (disk: string): string => {
  const { major, minor } = unpackDevice(statSync(disk).rdev);
  return `${major}:${minor}`;
};

/** Sectors written to the disk in so many milliseconds. */
const writtenMeanwhile = async (device: string): Promise<number> => {
  const written = (): number => Number(readFileSync(`/sys/dev/block/${device}/stat`, 'utf8').trim().split(/\s+/)[SECTORS_WRITTEN]);
  const before = written();
  await sleep(Number(milliseconds));
  return written() - before;
};

try {
  for (const disk of disks) {
    const device = numberOf(disk);
    const mounts = parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8'));
    const chosen = chooseFilesystems({ system: '/sys', mounts, disks: new Set([device]), kept: [] });
    const hold = await openHold({ watchdog: WATCHDOG_COMMAND, log: path.join(folder, 'log') });
    await hold.freeze(chosen, LONG);
    const held = await writtenMeanwhile(device);
    const report = await hold.end();
    const after = await writtenMeanwhile(device);
    console.log(JSON.stringify({ chosen: chosen.map(({ mountPoint }) => mountPoint), held, after, report }));
  }
} finally {
  rmSync(folder, { recursive: true });
}
