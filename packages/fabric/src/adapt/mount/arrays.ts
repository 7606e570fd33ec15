import path from 'node:path';
import type { BlockDevice } from '@holdfast/block';
import { isHoldfastError } from '@holdfast/errors';
import { createNbdServer, type NbdServer } from '@holdfast/nbd';
import { type Member, mirrorDevice, mirrorOf } from '../md/mirror.ts';
import { type MemberSuperblock, parseSuperblock, SUPERBLOCK_BYTES, superblockPlaces } from '../md/superblock.ts';
import { connectDisk } from './connect-disk.ts';
import type { GuestDisk } from './guest-disk.ts';
import type { Volume } from './volumes.ts';

export interface OpenArrays {
  /** Each array as a disk, which may have partitions or belong to a volume group. */
  readonly disks: readonly GuestDisk[];
  readonly notes: readonly string[];
  /** After all that was mounted of it. */
  close(): Promise<void>;
}

/** Each costs a process while it is open. */
const MOST_ARRAYS = 64;

/**
 * Opens the mirrors of md on disks, without this host's md driver, which need not be there and would note its own name in them. Others are noted, and what
 * cannot be opened keeps nothing else from it.
 */
export const openArrays = async (disks: readonly GuestDisk[], volumes: readonly Volume[], directory: string): Promise<OpenArrays> => {
  const clients = new Map<string, BlockDevice>();
  const mirrors: BlockDevice[] = [];
  const notes: string[] = [];
  let server: NbdServer | undefined;
  const close = async (): Promise<void> => {
    await server?.close();
    for (const device of [...mirrors, ...clients.values()]) await device.close();
  };
  try {
    const arrays = new Map<string, Member[]>();
    /** Nobody knows of which arrays: what is written to the others of a mirror would not be on these, and nothing would tell. */
    let unread = 0;
    for (const { diskId, offset, size, name } of volumes.filter(({ type }) => type === 'linux_raid_member')) {
      let place: Omit<Member, 'superblock'>;
      let superblock: MemberSuperblock | undefined;
      try {
        const device = clients.get(diskId) ?? (await connectDisk(disks.find(({ id }) => id === diskId)!));
        clients.set(diskId, device);
        place = { device, offset, size: size ?? device.size - offset };
        superblock = await readSuperblock(place);
      } catch (reason) {
        if (!isHoldfastError(reason)) throw reason;
        notes.push(`${name} (RAID) could not be read: ${reason.why}`);
        unread += 1;
        continue;
      }
      if (superblock === undefined) {
        notes.push(`${name} (RAID) has no superblock of version 1 that is whole`);
        unread += 1;
        continue;
      }
      arrays.set(superblock.array, [...(arrays.get(superblock.array) ?? []), { ...place, superblock }]);
    }
    const exports = new Map<string, { device: BlockDevice; description: string }>();
    const opened: { readonly id: string; readonly name: string }[] = [];
    for (const [id, members] of [...arrays].slice(0, MOST_ARRAYS)) {
      const told = arrayName(members[0]!.superblock);
      // Two may be called alike: made by different hosts.
      const name = opened.some((other) => other.name === told) ? `md-${id.slice(0, 8)}` : told;
      const isWhole = unread === 0 || members.length >= members[0]!.superblock.members;
      const mirror = isWhole ? mirrorOf(members) : { why: 'not all of its members could be read' };
      if ('why' in mirror) {
        notes.push(`the array ${name} could not be opened: ${mirror.why}`);
        continue;
      }
      const device = mirrorDevice(name, mirror.members);
      mirrors.push(device);
      exports.set(id, { device, description: name });
      opened.push({ id, name });
    }
    if (opened.length === 0) return { disks: [], notes, close };
    const serving = await createNbdServer({ exports, listen: { path: path.join(directory, 'md.sock') }, onError: () => {} });
    server = serving;
    return { disks: opened.map(({ id, name }) => ({ id, name, uri: serving.uri(id) })), notes, close };
  } catch (reason) {
    await close();
    throw reason;
  }
};

const readSuperblock = async ({ device, offset, size }: Omit<Member, 'superblock'>): Promise<MemberSuperblock | undefined> => {
  for (const place of superblockPlaces(size)) {
    if (place < 0 || place + SUPERBLOCK_BYTES > size) continue;
    const bytes = Buffer.alloc(SUPERBLOCK_BYTES);
    await device.read(offset + place, bytes);
    const found = parseSuperblock(bytes, place);
    if (found !== undefined) return found;
  }
  return undefined;
};

/** `md0` of "host:0"; by its id where it has a name of words, since that is for another machine to say. */
const arrayName = ({ name, array }: MemberSuperblock): string => {
  const [, number] = /(?:^|:)(\d{1,3})$/.exec(name) ?? [];
  return number === undefined ? `md-${array.slice(0, 8)}` : `md${number}`;
};
