import { HoldfastError } from '@holdfast/errors';
import { listAll, type Stored } from '../records/kind.ts';
import { type AccessRecord, accesses, SITE, sites, type UserRecord, users } from '../records/kinds.ts';
import type { Transaction } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';

/** Takes away what a user signed in to, but for one token. */
export const endSessions = async (store: StateStore, transaction: Transaction, user: string, except?: string): Promise<void> => {
  for await (const { id, value } of listAll(store, accesses)) if (value.userId === user && id !== except) transaction.delete(accesses, id);
};

type Left = readonly (Pick<AccessRecord | UserRecord, 'role'> & { readonly lasts: boolean })[];

const everybody = async (store: StateStore, without: string): Promise<Left> => {
  const left: { readonly role: AccessRecord['role']; readonly lasts: boolean }[] = [];
  for await (const { id, value } of listAll(store, users)) if (id !== without) left.push({ role: value.role, lasts: !value.disabled });
  for await (const { id, value } of listAll(store, accesses))
    if (id !== without && value.userId === undefined) left.push({ role: value.role, lasts: value.expires === undefined });
  return left;
};

/**
 * Throws LAST_ADMINISTRATOR when nobody could rule once `leaving` is gone or may do less: a user who may sign in, or a token that does not end.
 * Two that remove each other at one moment are told from each other by the record of the installation, which both write.
 */
export const requireAdministratorWithout = async (
  store: StateStore,
  transaction: Transaction,
  leaving: Stored<{ readonly role: AccessRecord['role']; readonly name: string }>,
): Promise<void> => {
  if (leaving.value.role !== 'administrator') return;
  const site = await transaction.read(sites, SITE);
  if (site !== undefined) transaction.put(sites, SITE, site.value);
  const left = await everybody(store, leaving.id);
  if (left.some(({ role, lasts }) => role === 'administrator' && lasts)) return;
  throw new HoldfastError('LAST_ADMINISTRATOR', {
    thing: leaving.value.name,
    why: 'nobody else could rule over this installation',
    remedy: 'make another administrator first: a user, or a token that does not end',
  });
};
