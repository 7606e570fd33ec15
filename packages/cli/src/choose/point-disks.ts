import { HoldfastError } from '@holdfast/errors';
import { idText } from '@holdfast/protocol';
import type { MachineHistory, RecoveryPoint } from '@holdfast/vault';
import { suggestion } from './near.ts';

/** A disk as it is at a point. */
export interface PointDisk {
  readonly id: string;
  /** What it was called at the source, made fit for a file name; its id where nothing better is known. No two of a point have the same. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly generationId: string;
}

/** The disks of a point, in the order of the machine. */
export const pointDisks = ({ generations }: MachineHistory, { point, manifest }: RecoveryPoint): PointDisk[] => {
  const known = new Map(manifest?.disks.map((disk) => [idText(disk.id), disk]));
  const disks = point.members.map((member) => {
    const id = idText(member.diskId);
    const generationId = idText(member.epoch!.generationId);
    const entry = generations.get(generationId)?.epochs[Number(member.epoch!.number)];
    return {
      id,
      name: fitName(known.get(id)?.name ?? ''),
      size: Number(entry?.epoch.diskSize ?? 0n),
      generationId,
      order: known.get(id)?.order ?? 0,
    };
  });
  const isUnique = (name: string): boolean => name !== '' && disks.filter((disk) => disk.name === name).length === 1;
  return disks
    .sort((a, b) => a.order - b.order)
    .map(({ id, name, size, generationId }) => ({ id, name: isUnique(name) ? name : id, size, generationId }));
};

/** The disk meant by its name, its id or the beginning of it; without a word the only one. Errors: SETTING_INVALID, DEVICE_NOT_FOUND. */
export const chooseDisk = (disks: readonly PointDisk[], word: string | undefined): PointDisk => {
  const names = disks.map(({ name }) => name);
  if (word === undefined) {
    if (disks.length === 1) return disks[0]!;
    throw new HoldfastError('SETTING_INVALID', {
      thing: '--disk',
      why: `the point has ${disks.length} disks: ${names.join(', ')}`,
      remedy: 'name one of them',
    });
  }
  const named = disks.filter(({ id, name }) => name === word || id === word.toLowerCase());
  const meant = named.length > 0 ? named : disks.filter(({ id }) => word.length >= 2 && id.startsWith(word.toLowerCase()));
  if (meant.length === 1) return meant[0]!;
  throw new HoldfastError('DEVICE_NOT_FOUND', {
    thing: `disk ${word}`,
    why:
      meant.length === 0
        ? `the point has no disk of this name or id; ${suggestion(word, names)}`
        : `${meant.length} disks of the point begin like that`,
    remedy: 'name one disk of the point',
  });
};

/** Names come from another machine and become names of files and exports here. */
const fitName = (name: string): string =>
  name
    .replaceAll(/[^A-Za-z0-9._-]/g, '_')
    .replace(/^\.+/, '')
    .slice(0, 64);
