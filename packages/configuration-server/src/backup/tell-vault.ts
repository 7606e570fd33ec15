import path from 'node:path';
import { type Address, formatAddress, parseWhereabouts } from '@holdfast/daemon';
import { fromSystem } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';
import { putControlAddresses, readControlAddresses } from '@holdfast/vault';
import { openAuthority } from '../authority/authority.ts';
import { makeWhereabouts, type Signer } from '../authority/whereabouts.ts';
import { addressesAt, type ListenSettings } from '../listener/addresses.ts';

/**
 * Puts into a vault where the server is that begins from this state: members that have lost the one before find it there. It counts as newer than
 * whatever was put there before, whatever clocks say. Errors: those of the store, NO_PERMISSION among them.
 */
export const tellVault = async (store: ObjectStore, signer: Signer, addresses: readonly string[], now = Date.now()): Promise<void> => {
  const authority = signer.fingerprint;
  let made = now;
  for (const found of await readControlAddresses(store))
    try {
      if (found.authority === authority) made = Math.max(made, parseWhereabouts(found.content).made + 1);
    } catch {
      // What nobody can read is not newer than anything.
    }
  await putControlAddresses(store, { authority, content: await makeWhereabouts(signer, addresses, made) });
};

export interface TellVaultsOptions {
  readonly stores: readonly ObjectStore[];
  /** With the authority's files. */
  readonly stateDirectory: string;
  readonly settings: ListenSettings;
  /** Addresses that somebody named, in the place of those of the settings. */
  readonly named: readonly Address[];
  print(line: string): void;
}

/** Tells vaults where the server will be, as far as that is known, and people what came of it: a vault that cannot be written to is no failure. */
export const tellVaults = async ({ stores, stateDirectory, settings, named, print }: TellVaultsOptions): Promise<void> => {
  if (stores.length === 0) return;
  const { port } = settings.listen.address;
  const addresses = named.length > 0 ? named.map(formatAddress) : addressesAt(settings, port);
  if (named.length === 0 && port === 0 && settings.listen.addresses.length === 0) {
    print('Where it will be is not known (listen.address has no port), so that no vault was told; --address HOST:PORT tells them.');
    return;
  }
  const signer = await openAuthority(path.join(stateDirectory, 'authority'), { mayMake: false });
  for (const store of stores)
    try {
      await tellVault(store, signer, addresses);
      print(`The vault ${store.url} was told that it is at ${addresses.join(', ')}: process servers look there, and tell their machines.`);
    } catch (reason) {
      print(`The vault ${store.url} could not be told where it is: ${fromSystem(reason, store.url).message}`);
    }
};

export interface LaterAuthoritiesOptions extends Pick<TellVaultsOptions, 'stores' | 'stateDirectory' | 'print'> {
  /** Milliseconds since 1970 of the backup. */
  readonly made: number;
}

/**
 * Fingerprints of authorities that said in these vaults, after the backup was made, where their server is, and that the backup does not know. It is a hint:
 * whoever may create in a vault can put there what looks like it, or take it away.
 */
export const laterAuthorities = async ({ stores, stateDirectory, made, print }: LaterAuthoritiesOptions): Promise<readonly string[]> => {
  const { certificates } = await openAuthority(path.join(stateDirectory, 'authority'), { mayMake: false });
  const later = new Set<string>();
  const isLater = (content: Uint8Array): boolean => {
    try {
      return parseWhereabouts(content).made > made;
    } catch {
      return false;
    }
  };
  for (const store of stores)
    try {
      for (const { authority, content } of await readControlAddresses(store))
        if (!certificates.some(({ fingerprint }) => fingerprint === authority) && isLater(content)) later.add(authority);
    } catch (reason) {
      print(`The vault ${store.url} could not be asked for later authorities: ${fromSystem(reason, store.url).message}`);
    }
  return [...later];
};
