import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { entries } from '../platform/entries.ts';
import { attribute } from '../trace/attribute.ts';
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

/** Number of a block device, "8:0", of which this is the folder; empty when the device is gone. */
const numberOf = (folder: string): string => attribute(folder, 'dev');

/** The file a loop device lies in; empty when it is none. */
const fileOf = (folder: string): string => Buffer.from(attribute(folder, 'loop/backing_file'), 'latin1').toString();

const folderOf = (system: string, device: string): string | undefined => {
  if (device === '') return undefined;
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
    if (members.includes(name))
      return members.map((member) => numberOf(`${system}/fs/btrfs/${one}/devices/${member}`)).filter((number) => number !== '');
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
      visit(numberOf(path.dirname(folder)));
      return;
    }
    disks.add(one);
    for (const slave of entries(`${folder}/slaves`)) visit(numberOf(`${folder}/slaves/${slave}`));
    const file = fileOf(folder);
    const under = file === '' ? undefined : mountOf(around.mounts, file);
    if (under === undefined || filesystems.has(under.device)) return;
    filesystems.add(under.device);
    for (const lower of devicesOf(under, around)) visit(lower);
  };
  visit(device);
  return { disks, filesystems };
};
