import { HoldfastError } from '@holdfast/errors';
import { names } from '../records/kinds.ts';
import type { Transaction } from '../records/transaction.ts';

/** Which resources share one space of names. */
export type NameSpace = 'machine' | 'server' | 'policy' | 'user' | 'plan' | 'vault';

/** The id of the record that keeps a name. */
export const nameId = (space: NameSpace, name: string): string => `${space}/${name.toLowerCase()}`;

/** A host name as a name that can be typed: lower case, of letters, digits, dots and hyphens, without the domain. */
export const plainName = (hostname: string, fallback: string): string => {
  const [first = ''] = hostname.toLowerCase().split('.');
  const plain = first
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 56);
  return plain === '' ? fallback : plain;
};

/** Gives a name to `id`. Throws NAME_TAKEN when another one has it. */
export const claimName = async (transaction: Transaction, space: NameSpace, name: string, id: string): Promise<void> => {
  const taken = await transaction.read(names, nameId(space, name));
  if (taken !== undefined && taken.value.id !== id)
    throw new HoldfastError('NAME_TAKEN', { thing: `${space} ${name}`, why: 'another one has this name', remedy: 'choose another name' });
  transaction.put(names, nameId(space, name), { id });
};

/** Takes the first free name for `id`: "web1", then "web1-2" … */
export const takeName = async (transaction: Transaction, space: NameSpace, wanted: string, id: string): Promise<string> => {
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    if ((await transaction.read(names, nameId(space, name))) !== undefined) continue;
    transaction.put(names, nameId(space, name), { id });
    return name;
  }
};
