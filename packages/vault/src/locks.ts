import type { ObjectInfo } from '@holdfast/object-store';
import type { Continuity } from './continuity.ts';
import { catalogueName, dataKeyPrefix, HOLDERS, machineName, VAULT_NAME } from './object-names.ts';
import type { VaultAccess } from './vault-access.ts';

/*
 * Against whoever gets the rights of a keeper, or the account: what points need below the tail of the log is locked in the store for a time, again and
 * again, so that it can be had back at any time until then. Not the log, which is given up within days, nor key slots, which have to go with their
 * holders: a recovery kit opens a vault without. Nothing about it is part of the format.
 */

export interface LockOptions {
  /** Milliseconds for which nobody shall delete it. A lock is renewed when half of that is left. */
  readonly lockFor: number;
  readonly now: number;
  readonly signal?: AbortSignal | undefined;
}

/** Locks what the newest catalogue version needs. Resolves to how many were locked or renewed; 0 where the store cannot. Errors: those of the store. */
export const lockNeeded = async (
  { store }: VaultAccess,
  machineId: string,
  { listed, needed }: Continuity,
  version: number | undefined,
  { lockFor, now, signal }: LockOptions,
): Promise<number> => {
  if (store.lockUntil === undefined || version === undefined) return 0;
  const objects: ObjectInfo[] = listed.filter(({ name }) => needed.has(name));
  const opens = new Set([VAULT_NAME, machineName(machineId), catalogueName(machineId, version)]);
  for (const name of opens) for await (const info of store.list(name, { locks: true })) if (info.name === name) objects.push(info);
  for (const prefix of [HOLDERS, dataKeyPrefix(machineId)])
    for await (const info of store.list(prefix, { locks: true })) objects.push(info);
  // Locks end by the store's clock; what it has just created tells when this one is behind it.
  const since = objects.reduce((latest, { created }) => Math.max(latest, created), now);
  let locked = 0;
  for (const { name, lockedUntil = 0 } of objects) {
    signal?.throwIfAborted();
    if (lockedUntil >= since + lockFor / 2) continue;
    await store.lockUntil(name, since + lockFor);
    locked += 1;
  }
  return locked;
};
