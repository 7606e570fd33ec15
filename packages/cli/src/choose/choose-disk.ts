import { HoldfastError } from '@holdfast/errors';
import type { PointDisk } from '@holdfast/vault';
import { suggestion } from './near.ts';

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
