import { idText } from '@holdfast/protocol';
import type { MachineHistory, RecoveryPoint } from './history.ts';

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

/** Names come from another machine and become names of files and exports here. */
const fitName = (name: string): string =>
  name
    .replaceAll(/[^A-Za-z0-9._-]/g, '_')
    .replace(/^\.+/, '')
    .slice(0, 64);
