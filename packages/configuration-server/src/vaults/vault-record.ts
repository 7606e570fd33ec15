import { isId } from '@holdfast/protocol';
import { nameId } from '../enrolment/member-name.ts';
import { find, type Kind, listAll, plainKind, type Stored } from '../records/kind.ts';
import { names } from '../records/kinds.ts';
import type { StateStore } from '../state/state-store.ts';

/**
 * A vault of the site; its id is the one that stands in the vault. Everything else refers to it by that id: protections, assignments, recoveries, orders. Where
 * only process servers of an earlier version serve it, its id is not known, and they refer to it by its name in their settings until it is
 * (`bind-vaults.ts`).
 */
export interface VaultRecord {
  readonly name: string;
  /** What settings of process servers called it, ever: those of earlier versions know nothing else. */
  readonly aliases: readonly string[];
  /** Where it is, for people, and what tells that place from a copy elsewhere; empty while nobody told. */
  readonly location: string;
  readonly place: string;
  /** Milliseconds since 1970. */
  readonly registered: number;
  /** It was given up: used for nothing until somebody takes it back. */
  readonly decommissioned?: { readonly at: number; readonly by: string; readonly forced: boolean };
}

export const vaults: Kind<VaultRecord> = plainKind('vault', 1);

/** The name of what something refers to by an id; of what is referred to by its name, that. */
export const vaultName = async (store: Pick<StateStore, 'get'>, vault: string): Promise<string> =>
  isId(vault) ? ((await find(store, vaults, vault))?.value.name ?? vault) : vault;

/**
 * The vault that settings of process servers call so; of several the one that has the name here too. One that people gave the name, and no settings call
 * so, is not meant: who knows names alone has another one.
 */
export const vaultNamed = async (store: StateStore, name: string): Promise<Stored<VaultRecord> | undefined> => {
  const called: Stored<VaultRecord>[] = [];
  for await (const vault of listAll(store, vaults)) if (vault.value.aliases.includes(name)) called.push(vault);
  if (called.length < 2) return called[0];
  const own = (await find(store, names, nameId('vault', name)))?.value.id;
  return called.find(({ id }) => id === own);
};
