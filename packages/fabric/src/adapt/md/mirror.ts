import { type BlockDevice, createDeviceGuard } from '@holdfast/block';
import type { MemberSuperblock } from './superblock.ts';

/** A member of an array: where it begins on a device, and what its superblock says. */
export interface Member {
  readonly device: BlockDevice;
  readonly offset: number;
  readonly size: number;
  readonly superblock: MemberSuperblock;
}

export type Mirror = { readonly members: readonly Member[] } | { readonly why: string };

/**
 * The members of a mirror that hold the same, first the one that the kernel would read; or why it cannot be opened. Members that are missing do not matter,
 * they do not come back: one that is there and lags behind does, since nothing would tell it of what is written here.
 */
export const mirrorOf = (found: readonly Member[]): Mirror => {
  const newest = found.reduce((best, member) => (member.superblock.events > best.superblock.events ? member : best), found[0]!).superblock;
  const { level, members, roles, events, size } = newest;
  if (level !== 1) return { why: `it is RAID ${level < 0 ? 'of another kind' : level}, and only mirrors are opened here` };
  const roleOf = ({ superblock }: Member): number => roles[superblock.device] ?? Number.MAX_SAFE_INTEGER;
  for (const member of found) {
    const { superblock } = member;
    if (superblock.features !== 0) return { why: 'a member is being rebuilt, reshaped or replaced, or has bad blocks' };
    if (roleOf(member) >= members || superblock.events + 1n < events) return { why: 'a member lags behind the others' };
    if (superblock.size !== size || superblock.dataOffset + size > member.size) return { why: 'a member is smaller than the array' };
  }
  return { members: found.toSorted((a, b) => roleOf(a) - roleOf(b)) };
};

/** A mirror as a device over its members: read from the first, written to all. Closing it leaves these open. */
export const mirrorDevice = (name: string, members: readonly Member[]): BlockDevice => {
  const { size } = members[0]!.superblock;
  const guard = createDeviceGuard({ name, size, readOnly: false });
  const at = ({ offset, superblock }: Member, from: number): number => offset + superblock.dataOffset + from;
  const all = async (work: (member: Member) => Promise<void>): Promise<void> => {
    for (const member of members) await work(member);
  };
  return {
    size,
    readOnly: false,
    read: (offset, target) => guard.read(offset, target.length, () => members[0]!.device.read(at(members[0]!, offset), target)),
    write: (offset, data) => guard.write(offset, data.length, () => all((member) => member.device.write(at(member, offset), data))),
    zero: (offset, length) => guard.write(offset, length, () => all((member) => member.device.zero(at(member, offset), length))),
    flush: () => all(({ device }) => device.flush()),
    allocated: (offset, length) => guard.read(offset, length, async () => (length === 0 ? [] : [{ offset, length }])),
    close: () => guard.close(),
  };
};
