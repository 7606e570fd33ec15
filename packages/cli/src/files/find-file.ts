import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { MountedVolume } from '../mount/mount-point.ts';

/**
 * Where a file of a point is, by `sda1/etc/hosts`. Links on the way are followed as long as they stay in the file system: an absolute one would lead to
 * files of this machine. The last part is not followed. Errors: OBJECT_NOT_FOUND, SETTING_INVALID.
 */
export const findFile = async (volumes: readonly MountedVolume[], word: string): Promise<string> => {
  const [name = '', ...parts] = word.split('/').filter((part) => part !== '');
  const volume = volumes.find((one) => one.name === name && one.path !== undefined);
  if (volume?.path === undefined)
    throw new HoldfastError('OBJECT_NOT_FOUND', {
      thing: word,
      why: `${name} is no mounted file system of the point; those are ${volumes.flatMap((one) => (one.path ? [one.name] : [])).join(', ') || 'none'}`,
      remedy: 'begin with one of them, as in sda1/etc/hosts',
    });
  if (parts.includes('..')) throw outside(word);
  const root = await realpath(volume.path);
  const last = parts.pop();
  if (last === undefined) return root;
  let directory: string;
  try {
    directory = await realpath(path.join(root, ...parts));
  } catch (reason) {
    throw fromSystem(reason, word);
  }
  if (directory !== root && !directory.startsWith(`${root}/`)) throw outside(word);
  return path.join(directory, last);
};

const outside = (word: string): HoldfastError =>
  new HoldfastError('SETTING_INVALID', {
    thing: word,
    why: 'it leads out of the file system, by a link or by ..',
    remedy: 'name the file where it really is',
  });
