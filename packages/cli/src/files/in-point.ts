import { fromSystem, HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { MountedTree, MountedVolumes } from '@holdfast/fabric';

/**
 * A file of a point by `sda1/etc/hosts`: the tree it is in, and its path there. Links on the way lead where they would on the machine itself; none leads
 * out of the file system, and that at the end is not followed. Errors: OBJECT_NOT_FOUND.
 */
export const inPoint = ({ volumes, tree }: MountedVolumes, word: string): { readonly tree: MountedTree; readonly path: string } => {
  const [name = '', ...parts] = word.split('/').filter((part) => part !== '');
  const volume = volumes.find((one) => one.name === name && one.path !== undefined);
  if (volume === undefined)
    throw new HoldfastError('OBJECT_NOT_FOUND', {
      thing: word,
      why: `${name} is no mounted file system of the point; those are ${volumes.flatMap((one) => (one.path ? [one.name] : [])).join(', ') || 'none'}`,
      remedy: 'begin with one of them, as in sda1/etc/hosts',
    });
  return { tree: tree(volume), path: `/${parts.join('/')}` };
};

/** What was asked of a tree about a word. Errors: OBJECT_NOT_FOUND, DAMAGED and the like by what the system said. */
export const told = async <T>(word: string, answer: Promise<T | undefined>): Promise<T> => {
  const found = await answer.catch((reason: unknown) => {
    throw isHoldfastError(reason) ? reason : fromSystem(reason, word);
  });
  if (found !== undefined) return found;
  throw new HoldfastError('OBJECT_NOT_FOUND', {
    thing: word,
    why: 'there is no such file at this point',
    remedy: 'list its directory by `holdfast files ls`',
  });
};
