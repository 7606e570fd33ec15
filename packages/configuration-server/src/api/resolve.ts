import { HoldfastError } from '@holdfast/errors';
import { isId } from '@holdfast/protocol';
import { type NameSpace, nameId } from '../enrolment/member-name.ts';
import { find, type Kind, type Stored } from '../records/kind.ts';
import { names } from '../records/kinds.ts';
import { requestInvalid } from '../request-invalid.ts';
import type { StateStore } from '../state/state-store.ts';

/** What people may call a thing: its id or its name. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Throws REQUEST_INVALID for a name that no resource can have. */
export const checkName = (name: string, thing: string): string => {
  if (NAME.test(name)) return name;
  throw requestInvalid(
    thing,
    name === '' ? 'it is empty' : `${JSON.stringify(name.slice(0, 80))} is no name or id`,
    'use letters, digits, dots, hyphens and underscores, at most 63 characters',
  );
};

const missing = (space: NameSpace, wanted: string): HoldfastError =>
  new HoldfastError(space === 'machine' ? 'MACHINE_NOT_FOUND' : 'RESOURCE_NOT_FOUND', {
    thing: `${space} ${wanted}`,
    why: 'there is none of this name or id',
    remedy: `list what there is with \`holdfast ${space} list\``,
  });

/** The id behind a name; undefined when nothing has it. */
export const idOf = async (store: Pick<StateStore, 'get'>, space: NameSpace, wanted: string): Promise<string | undefined> => {
  checkName(wanted, space);
  return isId(wanted) ? wanted : (await find(store, names, nameId(space, wanted)))?.value.id;
};

/** The resource with this id or name. Throws MACHINE_NOT_FOUND, or RESOURCE_NOT_FOUND for other kinds. */
export const resolve = async <T>(store: Pick<StateStore, 'get'>, kind: Kind<T>, space: NameSpace, wanted: string): Promise<Stored<T>> => {
  const id = await idOf(store, space, wanted);
  const found = id === undefined ? undefined : await find(store, kind, id);
  if (found === undefined) throw missing(space, wanted);
  return found;
};

/** Throws VERSION_CONFLICT unless `version`, as a client read it, is the newest. */
export const requireVersion = (thing: string, newest: number, version: bigint): void => {
  if (version === BigInt(newest)) return;
  if (version === 0n) throw requestInvalid(`${thing}, version`, 'it is missing', 'read the resource and name the version you read');
  throw new HoldfastError('VERSION_CONFLICT', {
    thing,
    why: `its version is ${newest}, not ${version}`,
    remedy: 'read it again and decide anew',
  });
};
