import path from 'node:path';
import type { BlockDevice } from '@holdfast/block';
import { isHoldfastError } from '@holdfast/errors';
import { createNbdServer, type NbdServer } from '@holdfast/nbd';
import { type LogicalVolume, logicalVolumes } from '../lvm/logical-volumes.ts';
import { readPhysicalVolume } from '../lvm/metadata.ts';
import { logicalDevice, type PhysicalPlace } from '../lvm/volume-device.ts';
import { connectDisk } from './connect-disk.ts';
import { asFile } from './disk-file.ts';
import type { GuestDisk } from './guest-disk.ts';
import { readVolumes, type Volume } from './volumes.ts';

/** Each costs a process while it is open, and how many there are is for another machine to say. */
const MOST_VOLUMES = 128;
/** Of those that cannot be opened, told one by one. */
const MOST_NAMED = 1_000;

export interface OpenVolumeGroups {
  /** What the logical volumes hold, by the names they have below /dev/mapper. */
  readonly volumes: readonly Volume[];
  readonly notes: readonly string[];
  /** After all that was mounted of it. */
  close(): Promise<void>;
}

/**
 * Opens the logical volumes on disks, without this host's device mapper: their groups would have to be known to this host, which may have one of the same name.
 * Linear and striped ones; others are noted.
 */
export const openVolumeGroups = async (
  disks: readonly GuestDisk[],
  volumes: readonly Volume[],
  directory: string,
): Promise<OpenVolumeGroups> => {
  const members = volumes.filter(({ type }) => type === 'LVM2_member');
  const clients = new Map<string, BlockDevice>();
  const devices: BlockDevice[] = [];
  const notes: string[] = [];
  let server: NbdServer | undefined;
  const close = async (): Promise<void> => {
    await server?.close();
    for (const device of [...devices, ...clients.values()]) await device.close();
  };
  try {
    const physical = new Map<string, PhysicalPlace>();
    const groups = new Map<string, { sequence: number; volumes: LogicalVolume[] }>();
    for (const { diskId, offset, name } of members) {
      try {
        const device = clients.get(diskId) ?? (await connectDisk(disks.find(({ id }) => id === diskId)!));
        clients.set(diskId, device);
        await readMember({ device, offset }, physical, groups);
      } catch (reason) {
        if (!isHoldfastError(reason)) throw reason;
        notes.push(`${name} (LVM) could not be read: ${reason.why}`);
      }
    }
    const wanted = chooseVolumes(
      [...groups.values()].flatMap((group) => group.volumes),
      (id) => physical.has(id),
      notes,
    );
    if (wanted.length === 0) return { volumes: [], notes, close };
    const exports = new Map(
      wanted.map((volume) => {
        const device = logicalDevice(volume, physical);
        devices.push(device);
        return [mapperName(volume), { device, description: mapperName(volume) }];
      }),
    );
    // What goes wrong with a request is told to the kernel, and by it to whoever reads.
    server = await createNbdServer({ exports, listen: { path: path.join(directory, 'lvm.sock') }, onError: () => {} });
    const found: Volume[] = [];
    for (const [at, volume] of wanted.entries()) {
      const name = mapperName(volume);
      const file = await asFile(directory, `lvm-${at}`, server.uri(name));
      // A logical volume may have partitions, of a virtual machine perhaps: they are not this machine's.
      const [whole] = await readVolumes({ id: '', name }, file, { partitions: false });
      if (whole !== undefined) found.push(whole);
    }
    return { volumes: found, notes, close };
  } catch (reason) {
    await close();
    throw reason;
  }
};

/** Those that can be opened, not more than a host can stand; what is said of the others is added to the notes. `isThere`: a physical volume, by its id. */
export const chooseVolumes = (
  volumes: readonly LogicalVolume[],
  isThere: (physical: string) => boolean,
  notes: string[],
): readonly LogicalVolume[] => {
  const wanted = volumes.slice(0, MOST_NAMED).filter((volume) => {
    const lacking = volume.segments.some(({ stripes }) => stripes.some((stripe) => !isThere(stripe.physical)));
    const why = volume.why ?? (lacking ? 'not all of its physical volumes are among the disks' : undefined);
    if (why !== undefined) notes.push(`${mapperName(volume)} could not be opened: ${why}`);
    return why === undefined;
  });
  const others = Math.max(0, volumes.length - MOST_NAMED) + Math.max(0, wanted.length - MOST_VOLUMES);
  if (others > 0) notes.push(`${others} more logical volumes were not looked at`);
  return wanted.slice(0, MOST_VOLUMES);
};

const readMember = async (
  place: PhysicalPlace,
  physical: Map<string, PhysicalPlace>,
  groups: Map<string, { sequence: number; volumes: LogicalVolume[] }>,
): Promise<void> => {
  const { id, group } = await readPhysicalVolume(async (from, length) => {
    const bytes = Buffer.alloc(length);
    await place.device.read(place.offset + from, bytes);
    return bytes;
  });
  physical.set(id, place);
  for (const [name, { values }] of group?.sections ?? []) {
    const sequence = Number(values.get('seqno') ?? 0);
    // A member that was away when the group was changed tells an older story.
    if (group !== undefined && sequence >= (groups.get(name)?.sequence ?? -1))
      groups.set(name, { sequence, volumes: logicalVolumes(group).filter((volume) => volume.group === name) });
  }
};

/** As device mapper calls it: a dash within a name is doubled. */
const mapperName = ({ group, name }: LogicalVolume): string => [group, name].map((word) => word.replaceAll('-', '--')).join('-');
