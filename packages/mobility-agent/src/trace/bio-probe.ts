import { closeSync, constants, mkdirSync, openSync, readFileSync, readSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { allocatePages } from '../platform/memory.ts';
import { kernelDevice, type TracedDevice } from './device.ts';

const SECTOR = 512;
/** Bytes read: enough for devices made of several to split it. */
const LENGTH = 256 * 1024;
const EVENTS = ['block_bio_complete', 'block_bio_queue'];
const READ_SECTORS = 2;
const NOT_COUNTED = 'what is written to it is not counted';

/**
 * Tries whether the kernel tells of what happens to a device without requests, and counts it. Such a device may split what it is given or
 * hand it on in place: then the end of it is told of another device, or not at all (NVMe multipath). Nothing is written for this: a read
 * takes the same way. Throws DEVICE_NOT_TRACEABLE when they are not told, DEVICE_UNSUPPORTED when they are not counted either.
 */
export const assureBiosAreTold = (device: TracedDevice, tracefs: string, name: string): void => {
  const path = join(tracefs, 'instances', name);
  try {
    makeInstance(path);
    try {
      const last = Math.min(LENGTH, Math.floor(device.size / device.logicalBlockSize) * device.logicalBlockSize) / SECTOR;
      follow(path, device, last);
      const before = sectorsRead(device);
      readBeginning(device, last * SECTOR);
      const told = eventsOf(readFileSync(join(path, 'trace'), 'latin1'));
      const counted = sectorsRead(device) - before;
      const missing = missingOf(told, last, counted);
      if (missing !== undefined) throw refuse(device, missing);
    } finally {
      rmdirSync(path);
    }
  } catch (reason) {
    throw fromSystem(reason, device.path);
  }
};

/** Has a read prove that the kernel counts what happens to a device. Throws DEVICE_UNSUPPORTED if it does not. */
export const assureCounted = (device: TracedDevice): void => {
  const before = sectorsRead(device);
  try {
    readBeginning(device, device.logicalBlockSize);
  } catch (reason) {
    throw fromSystem(reason, device.path);
  }
  if (sectorsRead(device) === before) throw notCounted(device, NOT_COUNTED);
};

/** What was told of a read up to `last` does not hold, `counted` sectors of it; `undefined` if it is as it must be. */
export const missingOf = (events: readonly BioEvent[], last: number, counted: number): string | undefined => {
  if (counted < last) return NOT_COUNTED;
  const queued = events.filter(({ event }) => event === 'block_bio_queue').reduce((sum, { sectors }) => sum + sectors, 0);
  if (queued < last) return 'what is handed to it is not told';
  const ended = events.some(({ event, sector, sectors }) => event === 'block_bio_complete' && sector + sectors === last);
  if (!ended) return 'the end of what is handed to it is not told, or told of another device';
  return undefined;
};

export interface BioEvent {
  readonly event: string;
  readonly sector: number;
  readonly sectors: number;
}

/** The events in the text of a trace. */
export const eventsOf = (trace: string): BioEvent[] =>
  [...trace.matchAll(/ (block_bio_\w+): \d+,\d+ \w+ (\d+) \+ (\d+) /g)].map(([, event, sector, sectors]) => ({
    event: event!,
    sector: Number(sector),
    sectors: Number(sectors),
  }));

const refuse = (device: TracedDevice, missing: string): HoldfastError => {
  const why = `the kernel handles it without requests, and ${missing}`;
  return missing === NOT_COUNTED
    ? notCounted(device, why)
    : new HoldfastError('DEVICE_NOT_TRACEABLE', {
        thing: device.path,
        why,
        remedy:
          'protect what it is made of, if that is not made of more; else it is captured by scan, with points only while nothing is written to it',
      });
};

const notCounted = ({ path, name }: TracedDevice, why: string): HoldfastError =>
  new HoldfastError('DEVICE_UNSUPPORTED', { thing: path, why, remedy: howToCount(name) });

/** Of NVMe disks only one that stands for several paths is without requests; older kernels do not count what is written to it. */
const howToCount = (name: string): string =>
  name.startsWith('nvme')
    ? 'start the machine with nvme_core.multipath=N: then each path is a disk with requests (put several of one disk under dm-multipath)'
    : `try to switch its statistics on: echo 1 > /sys/block/${name}/queue/iostats; leave it out if it counts nothing even then (brd, md linear)`;

/** An instance of its own for the moment: that of the trace must not be disturbed. One a killed process left is taken away. */
const makeInstance = (path: string): void => {
  try {
    mkdirSync(path);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== 'EEXIST') throw reason;
    rmdirSync(path);
    mkdirSync(path);
  }
};

const follow = (path: string, device: TracedDevice, last: number): void => {
  for (const event of EVENTS) {
    writeFileSync(join(path, `events/block/${event}/filter`), `dev == ${kernelDevice(device)} && rwbs ~ "R*" && sector < ${last}`);
    writeFileSync(join(path, `events/block/${event}/enable`), '1');
  }
};

const readBeginning = ({ path }: TracedDevice, length: number): void => {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT);
  try {
    const { bytes } = allocatePages(length);
    for (let done = 0; done < length; ) {
      const count = readSync(fd, bytes, done, length - done, done);
      if (count === 0) return;
      done += count;
    }
  } finally {
    closeSync(fd);
  }
};

const sectorsRead = ({ name }: TracedDevice): number =>
  Number(readFileSync(`/sys/block/${name}/stat`, 'latin1').trim().split(/\s+/)[READ_SECTORS]);
