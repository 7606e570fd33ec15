import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { listMounts, type Mount, mountOf } from './mounts.ts';

const SYS_BLOCK = '/sys/class/block';

/** Names of the devices whose bytes a block device is made of: its disk for a partition, members of md and dm, the disk below a loop file. */
const parentsOf = (name: string): string[] => {
  const directory = path.join(SYS_BLOCK, name);
  if (existsSync(path.join(directory, 'partition'))) return [path.basename(path.dirname(readlinkSync(directory)))];
  const slaves = path.join(directory, 'slaves');
  const members = existsSync(slaves) ? readdirSync(slaves) : [];
  const backing = path.join(directory, 'loop/backing_file');
  if (!existsSync(backing)) return members;
  const file = readFileSync(backing, 'utf8').trim();
  return existsSync(file) ? [...members, ...devicesOfFile(file)] : members;
};

const nameOfNumber = (number: string): string | undefined => {
  const link = `/sys/dev/block/${number}`;
  return existsSync(link) ? path.basename(realpathSync(link)) : undefined;
};

/** The device a mount lies on. btrfs gives its files numbers of no device: there the mount's own source tells. */
const deviceOfMount = (mount: Mount): string | undefined =>
  nameOfNumber(mount.deviceNumber) ?? (existsSync(mount.source) ? path.basename(realpathSync(mount.source)) : undefined);

const devicesOfFile = (file: string): string[] => {
  const mount = mountOf(realpathSync(file), listMounts());
  const name = mount === undefined ? undefined : deviceOfMount(mount);
  return name === undefined ? [] : [name];
};

const withParents = (names: readonly string[]): Set<string> => {
  const all = new Set<string>();
  const waiting = [...names];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (all.has(name) || !existsSync(path.join(SYS_BLOCK, name))) continue;
    all.add(name);
    waiting.push(...parentsOf(name));
  }
  return all;
};

/** The nearest part of a path that exists: a place that is yet to be made will lie where it lies. */
const existingPart = (file: string): string => {
  let part = path.resolve(file);
  while (!existsSync(part)) part = path.dirname(part);
  return part;
};

/** Kernel names (`sda`, `sda1`, `loop3`, `dm-0`) of every block device that bytes written to a file at `file` reach. */
export const devicesBelow = (file: string): Set<string> => withParents(devicesOfFile(existingPart(file)));

/** Kernel name of the whole disk a device node stands for, or undefined when it is no block device. */
export const diskName = (device: string): string | undefined => {
  const stat = statSync(device, { throwIfNoEntry: false });
  if (!stat?.isBlockDevice()) return undefined;
  // Numbers as the C library packs them in st_rdev: 12 bits of major above 8 low bits of minor, the rest of the minor above.
  return nameOfNumber(`${(stat.rdev >>> 8) & 0xfff}:${(stat.rdev & 0xff) | ((stat.rdev >>> 12) & 0xfff00)}`);
};
