import { existsSync } from 'node:fs';
import { HoldfastError } from '@holdfast/errors';
import { devicesBelow, diskName } from '../host/disks-below.ts';

export interface UserDisk {
  /** As the user named it. */
  readonly device: string;
  /** The kernel's name: `sdb`. */
  readonly name: string;
}

/** What the run writes while the disk is protected, by what a person calls it. */
export type Places = Readonly<Record<string, string>>;

const findDisk = (device: string): UserDisk => {
  const name = existsSync(device) ? diskName(device) : undefined;
  if (name === undefined) {
    throw new HoldfastError('DEVICE_NOT_FOUND', {
      thing: device,
      why: 'there is no block device of that name',
      remedy: 'see lsblk for the disks of this machine',
    });
  }
  if (existsSync(`/sys/class/block/${name}/partition`)) {
    throw new HoldfastError('DEVICE_UNSUPPORTED', {
      thing: device,
      why: 'it is a partition; Holdfast protects whole disks',
      remedy: 'name the disk it lies on',
    });
  }
  return { device, name };
};

/** Every byte written there would be a change of the disk, which would be written there: refused, by name. */
const refuseOwnPlaces = ({ device, name }: UserDisk, places: Places): void => {
  for (const [what, place] of Object.entries(places)) {
    if (!devicesBelow(place).has(name)) continue;
    throw new HoldfastError('VAULT_ON_PROTECTED_DISK', {
      thing: device,
      why: `${what} (${place}) lies on it`,
      remedy: what === 'the vault' ? 'put the vault elsewhere with --vault file:DIR' : 'set TMPDIR to a directory on another disk',
    });
  }
};

/** The root file system must not be frozen: the frozen comparison would stop the machine, this program with it. */
const refuseRoot = ({ device, name }: UserDisk): void => {
  if (!devicesBelow('/').has(name)) return;
  throw new HoldfastError('DEVICE_UNSUPPORTED', {
    thing: device,
    why: 'the root file system lies on it, and the lab freezes what it compares',
    remedy: 'name another disk',
  });
};

/** Finds the user's disks and refuses those this run cannot protect or cannot compare. */
export const checkDisks = (devices: readonly string[], places: Places): UserDisk[] =>
  devices.map((device) => {
    const disk = findDisk(device);
    refuseOwnPlaces(disk, places);
    refuseRoot(disk);
    return disk;
  });
