import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { type CatalogueVersion, readCatalogue } from './catalogue.ts';
import { otherThanLog } from './follows-log.ts';
import type { KeeperKey } from './keeper-key.ts';
import { catalogueName, cataloguePrefix, catalogueVersionOf } from './object-names.ts';
import type { VaultAccess } from './vault-access.ts';

/** Decides upon which versions of a machine's catalogue a keeper acts. */
export interface CatalogueTrust {
  /** Errors: VAULT_NOT_VOUCHED when it says anything that neither a keeper nor the log does; DAMAGED. */
  require(found: CatalogueVersion): Promise<void>;
  /** The newest version known that a keeper vouched for, 0 without any: what it needs stays, for it says what later ones must. Infinity: all are believed. */
  readonly vouched: number;
}

/** Versions that are looked at, at most, for one that a keeper vouched for: those of a month, of a writer alone. */
const SEARCHED = 5000;

/**
 * With the key of the vault's keepers a version is believed that one of them vouched for, and one that says no more than that and the log since. Without, each is, but
 * where keepers have a key.
 */
export const catalogueTrust = (vault: VaultAccess, machineId: string, key: KeeperKey | undefined): CatalogueTrust => {
  if (key === undefined)
    return {
      vouched: Number.POSITIVE_INFINITY,
      require: async ({ version, catalogue }) => {
        if (catalogue.keeper.length > 0)
          throw notVouched(machineId, version, 'the keepers of this machine have a key, and this one was not given it');
      },
    };
  let base: CatalogueVersion | undefined;
  let believed: string | undefined;

  /** The newest version below that a keeper vouched for. */
  const search = async (below: number): Promise<CatalogueVersion | undefined> => {
    let searched = 0;
    for await (const { name } of vault.store.list(cataloguePrefix(machineId))) {
      const version = catalogueVersionOf(name);
      if (version === undefined || version >= below) continue;
      searched += 1;
      if (version <= (base?.version ?? 0) || searched > SEARCHED) return undefined;
      const found = await readCatalogue(vault, machineId, version).catch(unlessDamaged);
      if (found !== undefined && key.hasVouched({ machineId, version }, found.claim)) return found;
    }
    return undefined;
  };

  return {
    get vouched() {
      return base?.version ?? 0;
    },
    async require(found) {
      const { version, tag, claim } = found;
      if (tag === believed) return;
      if (key.hasVouched({ machineId, version }, claim)) base = found;
      else {
        base = (await search(version)) ?? base;
        const other = await otherThanLog(vault, machineId, base, found);
        if (other !== undefined) {
          const since =
            base === undefined
              ? 'the log, and no keeper with this key vouched for any'
              : `version ${base.version}, which a keeper vouched for`;
          throw notVouched(machineId, version, `it does not follow from ${since}: ${other}`);
        }
      }
      believed = tag;
    },
  };
};

const unlessDamaged = (reason: unknown): undefined => {
  if (!isHoldfastError(reason, 'DAMAGED')) throw reason;
};

const notVouched = (machineId: string, version: number, why: string): HoldfastError =>
  new HoldfastError('VAULT_NOT_VOUCHED', {
    thing: catalogueName(machineId, version),
    why: `${why}; nothing is forgotten or deleted`,
    remedy:
      'give every keeper of the vault the same keeper key. Where nobody replaced or repaired anything somebody may have forged it: `holdfast vault rebuild-catalogue --keeper-key` goes back, `holdfast vault keep --keeper-key --adopt` accepts it',
  });
