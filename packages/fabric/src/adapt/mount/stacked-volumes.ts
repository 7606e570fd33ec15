import { isHoldfastError } from '@holdfast/errors';
import { openArrays } from './arrays.ts';
import { asFile } from './disk-file.ts';
import type { GuestDisk } from './guest-disk.ts';
import { openVolumeGroups } from './volume-groups.ts';
import { readVolumes, type Volume } from './volumes.ts';

export interface StackedVolumes {
  /** What arrays and logical volumes hold. */
  readonly volumes: readonly Volume[];
  /** What could not be opened, and why. */
  readonly notes: readonly string[];
  /** After all that was mounted of it. */
  close(): Promise<void>;
}

/** Opens what lies on more than a part of one disk: mirrors of md, and logical volumes of LVM on disks or on those. */
export const openStackedVolumes = async (
  disks: readonly GuestDisk[],
  volumes: readonly Volume[],
  directory: string,
): Promise<StackedVolumes> => {
  const found: Volume[] = [];
  const notes: string[] = [];
  const opened: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    for (const one of opened.splice(0).toReversed()) await one.close();
  };
  const has = (type: string): boolean => [...volumes, ...found].some((volume) => volume.type === type);
  try {
    const all = [...disks];
    if (has('linux_raid_member')) {
      const arrays = await openArrays(disks, volumes, directory);
      opened.push(arrays);
      notes.push(...arrays.notes);
      all.push(...arrays.disks);
      for (const [at, disk] of arrays.disks.entries())
        try {
          found.push(...(await readVolumes(disk, await asFile(directory, `md-${at}`, disk.uri))));
        } catch (reason) {
          if (!isHoldfastError(reason, 'IO_FAILED')) throw reason;
          notes.push(`the array ${disk.name} could not be looked into: ${reason.why}`);
        }
    }
    if (has('LVM2_member')) {
      const groups = await openVolumeGroups(all, [...volumes, ...found], directory);
      opened.push(groups);
      notes.push(...groups.notes);
      found.push(...groups.volumes);
    }
    return { volumes: found, notes, close };
  } catch (reason) {
    await close();
    throw reason;
  }
};
