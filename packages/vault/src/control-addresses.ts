import { isHoldfastError } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';
import { controlAddressesName, controlAddressesOf, controlAddressesPrefix } from './object-names.ts';

/*
 * Where configuration servers are reached, under `control/` (docs/format.md, "Control"): members that have lost theirs look there. What it says is
 * signed by the authority whose fingerprint it is filed under; a vault only carries it.
 */

/** What was filed last under an authority. */
export interface ControlAddresses {
  /** SHA-256 of its public key, 64 hexadecimal digits. */
  readonly authority: string;
  readonly content: Uint8Array;
}

const LARGEST = 4096;
/** Numbers that others may take while one is chosen. */
const TRIES = 100;
/** Authorities of which something is read: each configuration server that was rebuilt has another one. */
const MOST = 64;

/** Files what a configuration server says of itself, unless it says the same as what was filed last. Gives false then. Errors: those of the store. */
export const putControlAddresses = async (
  store: ObjectStore,
  { authority, content }: ControlAddresses,
  isSame: (last: Uint8Array) => boolean = (last) => Buffer.from(content).equals(last),
): Promise<boolean> => {
  let newest: string | undefined;
  for await (const { name } of store.list(controlAddressesPrefix(authority))) {
    newest = name;
    break;
  }
  if (newest !== undefined && isSame(await store.read(newest, { offset: 0, length: LARGEST }))) return false;
  let number = (newest === undefined ? 0 : (controlAddressesOf(newest)?.number ?? 0)) + 1;
  for (let attempt = 1; ; attempt += 1)
    try {
      await store.create(controlAddressesName(authority, number), content);
      return true;
    } catch (reason) {
      if (!isHoldfastError(reason, 'OBJECT_EXISTS') || attempt === TRIES) throw reason;
      number += 1;
    }
};

/** What was filed last under each authority. Errors: those of the store. */
export const readControlAddresses = async (store: ObjectStore): Promise<readonly ControlAddresses[]> => {
  const newest = new Map<string, ControlAddresses>();
  for await (const { name } of store.list(controlAddressesPrefix())) {
    const found = controlAddressesOf(name);
    if (found === undefined || newest.has(found.authority)) continue;
    if (newest.size === MOST) break;
    newest.set(found.authority, { authority: found.authority, content: await store.read(name, { offset: 0, length: LARGEST }) });
  }
  return [...newest.values()];
};
