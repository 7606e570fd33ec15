import { realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { countOf, textOf } from '../manifest/fields.ts';
import type { SystemView } from '../manifest/system-view.ts';

/** A disk that is there now. */
export interface FoundDisk {
  readonly path: string;
  /** An image file is captured by reading all of it, a block device by the trace of its writes. */
  readonly kind: 'device' | 'image';
  /** Bytes; 0 for a device to which nothing is attached. */
  readonly size: number;
  /**
   * What makes it this disk and no other, as far as it says: its world-wide name, else model and serial number, else what made it (LVM, md)
   * calls it, else the file behind it, else its path.
   */
  readonly key: string;
}

const SECTOR = 512;
/** Devices in memory, of files, of other disks and of removable media: not disks of the machine unless named. */
const NOT_PHYSICAL = /^(loop|ram|zram|dm-|md|nbd|sr|fd|mmcblk\d+boot)/;

const factsOf = (system: SystemView, name: string): ((field: string) => string) => {
  return (field) => textOf(system.read(`/sys/class/block/${name}/${field}`));
};

const keyOf = (about: (field: string) => string, devicePath: string): string => {
  const wwn = about('wwid') || about('device/wwid');
  if (wwn !== '') return `wwn ${wwn}`;
  const serial = about('serial') || about('device/serial');
  if (serial !== '') return `serial ${about('device/model')} ${serial}`;
  const uuid = about('dm/uuid') || about('md/uuid');
  if (uuid !== '') return `uuid ${uuid}`;
  const backing = about('loop/backing_file');
  return backing !== '' ? `file ${backing}` : `path ${devicePath}`;
};

const describeDevice = (system: SystemView, name: string): FoundDisk => {
  const about = factsOf(system, name);
  const devicePath = `/dev/${name}`;
  return { path: devicePath, kind: 'device', size: countOf(about('size')) * SECTOR, key: keyOf(about, devicePath) };
};

/** True for whole disks that are hardware, or look like it: they have a driver's device behind them. */
const isPhysical = (system: SystemView, name: string): boolean => {
  const about = factsOf(system, name);
  return (
    !NOT_PHYSICAL.test(name) &&
    system.list(`/sys/class/block/${name}/device`).length > 0 &&
    about('removable') !== '1' &&
    about('hidden') !== '1' &&
    countOf(about('size')) > 0
  );
};

const describeNamed = (system: SystemView, named: string): FoundDisk | undefined => {
  try {
    const real = realpathSync(named);
    const status = statSync(real);
    if (status.isBlockDevice()) return describeDevice(system, path.basename(real));
    if (status.isFile()) return { path: real, kind: 'image', size: status.size, key: `image ${real}` };
  } catch {
    // It is not there now.
  }
  return undefined;
};

/** Disks that say the same of themselves are told apart by their paths. */
const unambiguous = (disks: readonly FoundDisk[]): FoundDisk[] => {
  const count = (key: string): number => disks.filter((disk) => disk.key === key).length;
  return disks.map((disk) => (count(disk.key) > 1 ? { ...disk, key: `${disk.key} at ${disk.path}` } : disk));
};

/**
 * The disks of the machine that can be protected: those named, or all whole physical ones. Names that lead to nothing are left out; so is
 * what a second name leads to.
 */
export const discoverDisks = (system: SystemView, include: readonly string[]): FoundDisk[] => {
  const found =
    include.length > 0
      ? include.flatMap((named) => describeNamed(system, named) ?? [])
      : system
          .list('/sys/block')
          .filter((name) => isPhysical(system, name))
          .map((name) => describeDevice(system, name));
  return unambiguous([...new Map(found.map((disk) => [disk.path, disk])).values()]);
};
