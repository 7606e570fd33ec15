import fs from 'node:fs';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { type Disk, DiskSchema, idBytes, type Partition, PartitionSchema } from '@holdfast/protocol';
import { probe } from './blkid.ts';
import { type Content, type DiskDescription, PARTITION_LIMIT, SECTOR, wholeDisk } from './disk-description.ts';
import { countOf, type Loose, looseList, looseOf, parseJson, textOf, UINT32 } from './fields.ts';
import { collectImage } from './image.ts';
import type { SystemView } from './system-view.ts';

/** A disk of the machine: a block device, or an image file. */
export interface ManifestDisk {
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly path: string;
}

/** The disks in their order, with what is on them. What a missing tool would have told is empty. */
export const collectDisks = async (system: SystemView, disks: readonly ManifestDisk[]): Promise<Disk[]> => {
  const collected: Disk[] = [];
  for (const [order, disk] of disks.entries()) {
    const description = isFile(disk.path) ? await collectImage(system, disk.path) : await collectDevice(system, disk.path);
    collected.push(create(DiskSchema, { ...description, id: idBytes(disk.id), order }));
  }
  return collected;
};

const isFile = (name: string): boolean => fs.statSync(name, { throwIfNoEntry: false })?.isFile() === true;

const collectDevice = async (system: SystemView, devicePath: string): Promise<DiskDescription> => {
  const name = path.basename(realPath(devicePath));
  const listed =
    looseList(looseOf(parseJson(await system.run('lsblk', '--json', '--bytes', '--output-all', devicePath)))['blockdevices'], 1)[0] ?? {};
  const about = (field: string): string => textOf(system.read(`/sys/class/block/${name}/${field}`));
  const partitions = await partitionsOf(system, name, listed);
  const size = countOf(about('size')) * SECTOR;
  // Without udev's database lsblk knows names and mount points only.
  const tag = textOf(listed['pttype']) === '' ? await probe(system, devicePath) : () => '';
  const whole = contentOf(listed, tag);
  return {
    name,
    size: BigInt(size),
    logicalSectorSize: countOf(about('queue/logical_block_size'), UINT32),
    physicalSectorSize: countOf(about('queue/physical_block_size'), UINT32),
    serial: textOf(listed['serial']) || about('device/serial') || about('serial'),
    model: textOf(listed['model']) || about('device/model'),
    wwn: textOf(listed['wwn']) || about('wwid') || about('device/wwid'),
    boot: isBoot(listed),
    partitionTable: textOf(listed['pttype']) || tag('PTTYPE'),
    partitions: partitions.length === 0 && whole.content !== '' ? [wholeDisk(size, whole)] : partitions,
  };
};

const realPath = (name: string): string => {
  try {
    return fs.realpathSync(name);
  } catch {
    return name;
  }
};

/** The kernel knows where partitions lie; lsblk or blkid know what they are. */
const partitionsOf = async (system: SystemView, disk: string, listed: Loose): Promise<Partition[]> => {
  const known = new Map(looseList(listed['children'], PARTITION_LIMIT).map((child) => [textOf(child['kname']), child]));
  const names = system.list(`/sys/class/block/${disk}`).filter((entry) => system.read(`/sys/class/block/${entry}/partition`) !== undefined);
  const partitions: Partition[] = [];
  for (const name of names.slice(0, PARTITION_LIMIT)) {
    const about = (field: string): number => countOf(system.read(`/sys/class/block/${name}/${field}`));
    const child = known.get(name) ?? {};
    const tag = textOf(child['parttype']) === '' ? await probe(system, `/dev/${name}`) : () => '';
    partitions.push(
      create(PartitionSchema, {
        number: about('partition'),
        offset: BigInt(about('start') * SECTOR),
        length: BigInt(about('size') * SECTOR),
        type: textOf(child['parttype']) || tag('PART_ENTRY_TYPE'),
        uuid: textOf(child['partuuid']) || tag('PART_ENTRY_UUID'),
        label: textOf(child['partlabel']) || tag('PART_ENTRY_NAME'),
        ...contentOf(child, tag),
      }),
    );
  }
  return partitions.sort((a, b) => a.number - b.number);
};

const contentOf = (listed: Loose, tag: (name: string) => string): Content => ({
  content: textOf(listed['fstype']) || tag('TYPE'),
  contentUuid: textOf(listed['uuid']) || tag('UUID'),
  mountPoints: mountPointsOf(listed),
});

/** lsblk before 2.37 tells one mount point only. */
const mountPointsOf = (listed: Loose): string[] => {
  const all = Array.isArray(listed['mountpoints']) ? listed['mountpoints'] : [listed['mountpoint']];
  return [...new Set(all.slice(0, 64).map(textOf))].filter((point) => point !== '').sort();
};

/** True when what the machine boots from lies on the disk, through whatever layers. */
const isBoot = (listed: Loose): boolean => {
  const points = new Set<string>();
  const visit = (device: Loose, depth: number): void => {
    for (const point of mountPointsOf(device)) points.add(point);
    if (depth < 8) for (const child of looseList(device['children'], PARTITION_LIMIT)) visit(child, depth + 1);
  };
  visit(listed, 0);
  return ['/', '/boot', '/boot/efi', '/efi'].some((point) => points.has(point));
};
