import { type ErrorCode, HoldfastError } from '@holdfast/errors';
import { printable } from '../output/format.ts';
import { suggestion } from './near.ts';

/** Something that has an id of hexadecimal digits, and perhaps a name. */
export interface Named {
  readonly id: string;
  readonly name?: string;
}

export interface Kind {
  /** "policy". */
  readonly one: string;
  readonly many: string;
  /** What it is when there is none: RESOURCE_NOT_FOUND unless told. */
  readonly missing?: ErrorCode;
}

/** Digits that are enough to mean something by the beginning of its id. */
const SHORTEST_PREFIX = 2;

const labelOf = ({ id, name }: Named): string => (name ? printable(name) : id);

/** What is meant by its id, its name, or the beginning of its id. Errors: `kind.missing`; SETTING_INVALID when several are meant. */
export const chooseResource = <R extends Named>(all: readonly R[], word: string, kind: Kind): R => {
  const digits = word.toLowerCase();
  const exact = all.filter(({ id, name }) => id === digits || name === word);
  const meant = exact.length > 0 ? exact : all.filter(({ id }) => digits.length >= SHORTEST_PREFIX && id.startsWith(digits));
  if (meant.length === 1) return meant[0]!;
  const thing = `${kind.one} ${printable(word)}`;
  if (meant.length === 0)
    throw new HoldfastError(kind.missing ?? 'RESOURCE_NOT_FOUND', {
      thing,
      why: all.length === 0 ? `there is no ${kind.one} yet` : `there is none of this name or id; ${suggestion(word, all.map(labelOf))}`,
      remedy: all.length === 0 ? 'see --help of the command that makes one' : 'name one there is',
    });
  throw new HoldfastError('SETTING_INVALID', {
    thing,
    why: `${meant.length} ${kind.many} are meant: ${meant.map(({ id }) => id).join(', ')}`,
    remedy: 'give more of the id',
  });
};

/** Digits of an id in a table. */
const SHORT_ID = 12;

/** Enough of an id to mean it among all that are shown; all of it in the unlikely case that another begins alike. */
export const shortId = (id: string, among: readonly Named[]): string => {
  const short = id.slice(0, SHORT_ID);
  return among.some((other) => other.id !== id && other.id.startsWith(short)) ? id : short;
};
