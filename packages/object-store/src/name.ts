import { HoldfastError } from '@holdfast/errors';

const NAME_LIMIT = 512;
const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

/** True for what can be the name of an object: see `ObjectStore`. */
export const isName = (name: string): boolean => name.length <= NAME_LIMIT && name.split('/').every((segment) => SEGMENT.test(segment));

/** Refuses what cannot be the name of an object. */
export const checkName = (name: string): void => {
  if (isName(name)) return;
  throw invalid(
    name,
    'a name is made of segments of letters, digits, ".", "_" and "-" that do not begin with a dot, at most 512 characters',
  );
};

/** Refuses what cannot be the beginning of a name. The empty prefix means every object. */
export const checkPrefix = (prefix: string): void => {
  const segments = prefix.split('/');
  const last = segments.pop()!;
  const good = prefix.length <= NAME_LIMIT && (last === '' || SEGMENT.test(last)) && segments.every((segment) => SEGMENT.test(segment));
  if (!good) throw invalid(prefix, 'it cannot be the beginning of an object name');
};

const invalid = (name: string, why: string): HoldfastError =>
  new HoldfastError('SETTING_INVALID', { thing: `object name ${JSON.stringify(name)}`, why, remedy: 'correct the name' });

/** Names are ordered by their bytes, as every store does; they are ASCII, so comparing code units is the same. */
export const compareNames = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
