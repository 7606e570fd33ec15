import { existsSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { entries } from '../platform/entries.ts';
import { type Mounted, mountOf } from './mount-table.ts';

/** What is looked at; `system` is "/sys" but in tests. */
export interface BlockSystem {
  readonly system: string;
  readonly mounts: readonly Mounted[];
}

export interface Beneath {
  /** Devices that are no partitions, "8:0": the one asked for or what it is part of, and all that those are made of. */
  readonly disks: ReadonlySet<string>;
  /** File systems with a file in which one of them lies (loop devices), by their device. */
  readonly filesystems: ReadonlySet<string>;
}

const read = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
};

const folderOf = (system: string, device: string): string | undefined => {
  try {
    return realpathSync(`${system}/dev/block/${device}`);
  } catch {
    return undefined;
  }
};

/** The block devices a file system is on. */
export const devicesOf = ({ device, type, source }: Pick<Mounted, 'device' | 'type' | 'source'>, { system }: BlockSystem): string[] => {
  if (!device.startsWith('0:')) return [device];
  if (type !== 'btrfs') return [];
  let name = path.basename(source);
  try {
    name = path.basename(realpathSync(source));
  } catch {
    // The name it was mounted by may be gone.
  }
  for (const one of entries(`${system}/fs/btrfs`)) {
    const members = entries(`${system}/fs/btrfs/${one}/devices`);
    if (members.includes(name)) return members.flatMap((member) => read(`${system}/fs/btrfs/${one}/devices/${member}/dev`) ?? []);
  }
  return [];
};

/** What a block device is made of, through partitions, LUKS, LVM, md and loop devices. */
export const beneath = (device: string, around: BlockSystem): Beneath => {
  const disks = new Set<string>();
  const filesystems = new Set<string>();
  const visit = (one: string): void => {
    const folder = folderOf(around.system, one);
    if (folder === undefined || disks.has(one)) return;
    if (existsSync(`${folder}/partition`)) {
      const whole = read(`${path.dirname(folder)}/dev`);
      if (whole !== undefined) visit(whole);
      return;
    }
    disks.add(one);
    for (const slave of entries(`${folder}/slaves`)) {
      const number = read(`${folder}/slaves/${slave}/dev`);
      if (number !== undefined) visit(number);
    }
    const file = read(`${folder}/loop/backing_file`);
    const under = file === undefined ? undefined : mountOf(around.mounts, file);
    if (under === undefined || filesystems.has(under.device)) return;
    filesystems.add(under.device);
    for (const lower of devicesOf(under, around)) visit(lower);
  };
  visit(device);
  return { disks, filesystems };
};
