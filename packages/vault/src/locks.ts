import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { ObjectInfo } from '@holdfast/object-store';
import { type Catalogue, idText, type ObjectRef } from '@holdfast/protocol';
import { newestCatalogue, readCatalogue } from './catalogue.ts';
import type { CatalogueTrust } from './catalogue-trust.ts';
import { listReferenced } from './continuity.ts';
import { findingOf } from './finding.ts';
import { LevelSource } from './level-source.ts';
import { OBJECT_KIND } from './object-header.ts';
import { cataloguePrefix, catalogueVersionOf, dataKeyPrefix, HOLDERS, machineName, VAULT_NAME } from './object-names.ts';
import { type ReferencedKind, referencedName } from './referenced-object.ts';
import { sameLevels } from './same-levels.ts';
import type { VaultAccess } from './vault-access.ts';

/*
 * Against whoever gets the rights of a keeper, or the account: what points need below the tail of the log is locked in the store for a time, again and
 * again, so that it can be had back at any time until then. Not the log, which is given up within days, nor key slots, which have to go with their
 * holders: a recovery kit opens a vault without. Nothing about it is part of the format.
 *
 * This asks nobody whether the vault is whole: to delete one object must not be enough to let the locks of all others run out.
 */

export interface LockOptions {
  /** Milliseconds for which nobody shall delete it. A lock is renewed when half of that is left. */
  readonly lockFor: number;
  readonly signal?: AbortSignal | undefined;
  /** A version that it does not believe may need less than there is. */
  readonly trust: CatalogueTrust;
}

/** What the newest version that can be read needs. */
interface Needed {
  readonly catalogue: Catalogue | undefined;
  readonly version: number;
  /** Names of the objects that tell of cuts, and of those that hold their data. */
  readonly history: readonly string[];
  readonly data: readonly string[];
  /** Something of it is damaged or missing: nobody can tell what else is needed. */
  readonly isWhole: boolean;
}

/**
 * Locks what points need, as far as that can be told; of a catalogue that is not whole also all that is locked already. Resolves to how many objects were
 * locked or renewed; 0 where the store cannot. Errors: those of the store.
 */
export const renewLocks = async (vault: VaultAccess, machineId: string, { lockFor, signal, trust }: LockOptions): Promise<number> => {
  const { store } = vault;
  if (store.lockUntil === undefined || store.time === undefined) return 0;
  const listed = await listReferenced(vault, machineId, { locks: true });
  const versions = await listAll(vault, cataloguePrefix(machineId));
  const sizes = new Map(listed.map(({ name, size }) => [name, size]));
  const locked = ({ lockedUntil = 0 }: ObjectInfo): boolean => lockedUntil > 0;
  const found = await findNeeded(vault, machineId, sizes, trust);
  const hasRuns = (found.catalogue?.runs ?? []).length > 0;
  // No keeper gives all up: whoever may append to the vault, and has its key, can publish a version that needs nothing.
  const isEmptied = !hasRuns && listed.some((info) => info.kind !== OBJECT_KIND.history && locked(info));
  const needed = isEmptied ? { ...found, isWhole: false } : found;
  // Whatever is not in runs yet has its data in the log alone.
  if (needed.isWhole && !hasRuns) return 0;
  // Locks end by the store's clock: this machine's may show anything.
  const now = await store.time();
  const isDue = ({ lockedUntil = 0 }: ObjectInfo): boolean => lockedUntil < now + lockFor / 2;

  const held = needed.isWhole
    ? await heldVersion(
        vault,
        machineId,
        needed,
        versions.find((info) => !isDue(info)),
        sizes,
      )
    : undefined;
  const names = new Set([...needed.data, ...(held ?? needed.history)]);
  const objects = [
    ...versions.filter((info) => (catalogueVersionOf(info.name) === needed.version ? held === undefined : !needed.isWhole && locked(info))),
    ...listed.filter((info) => names.has(info.name) || (!needed.isWhole && locked(info))),
  ];
  for (const name of [VAULT_NAME, machineName(machineId)])
    objects.push(...(await listAll(vault, name)).filter((info) => info.name === name));
  for (const prefix of [HOLDERS, dataKeyPrefix(machineId)]) objects.push(...(await listAll(vault, prefix)));

  let done = 0;
  for (const { name } of objects.filter(isDue)) {
    signal?.throwIfAborted();
    // Somebody may delete what was listed: the others have to be locked all the more.
    const isThere = await store.lockUntil(name, now + lockFor).then(() => true, unlessGone);
    if (isThere) done += 1;
  }
  return done;
};

const unlessGone = (reason: unknown): false => {
  if (isHoldfastError(reason, 'OBJECT_NOT_FOUND')) return false;
  throw reason;
};

const listAll = async ({ store }: VaultAccess, prefix: string): Promise<ObjectInfo[]> => {
  const listed: ObjectInfo[] = [];
  for await (const info of store.list(prefix, { locks: true })) listed.push(info);
  return listed;
};

const findNeeded = async (
  vault: VaultAccess,
  machineId: string,
  sizes: ReadonlyMap<string, number>,
  trust: CatalogueTrust,
): Promise<Needed> => {
  const history: string[] = [];
  const data: string[] = [];
  const found = await newestCatalogue(vault, machineId).catch(ifDamaged);
  const catalogue = found?.newest?.catalogue;
  let isWhole = found !== undefined && found.damage.length === 0;
  if (isWhole && found?.newest !== undefined) isWhole = await trust.require(found.newest).then(() => true, unlessUntrue);
  const need = (names: string[], kind: ReferencedKind, object: ObjectRef | undefined): void => {
    const name = nameOf(machineId, kind, object);
    if (sizes.get(name) === Number(object!.size)) names.push(name);
    else isWhole = false;
  };
  const levels = new LevelSource(vault, machineId);
  for (const { object } of catalogue?.history ?? []) need(history, OBJECT_KIND.history, object);
  for (const ref of catalogue?.runs ?? []) {
    need(data, OBJECT_KIND.run, ref.object);
    const run = await levels.run(ref).catch(ifDamaged);
    for (const { object } of run?.parts ?? []) need(data, OBJECT_KIND.part, object);
    if (run === undefined) isWhole = false;
  }
  return { catalogue, version: found?.newest?.version ?? 0, history, data, isWhole };
};

const nameOf = (machineId: string, kind: ReferencedKind, object: ObjectRef | undefined): string =>
  referencedName(machineId, kind, idText(object!.id))!;

const unlessUntrue = (reason: unknown): false => {
  if (!isHoldfastError(reason, 'VAULT_NOT_VOUCHED') && findingOf(reason, '') === undefined) throw reason;
  return false;
};

/** What is not what was written, or of another version of the format, keeps nothing else from being locked. */
const ifDamaged = (reason: unknown): undefined => {
  if (findingOf(reason, '') === undefined) throw reason;
};

/**
 * A rebuild needs one version that tells of everything compacted. New ones come every few minutes, and each that is locked is paid for until that ends: one
 * whose lock is long enough yet, and that knows the same runs, will do. Resolves to the names of the history that it needs; `undefined` when the newest
 * version has to be locked.
 */
const heldVersion = async (
  vault: VaultAccess,
  machineId: string,
  { catalogue, version }: Needed,
  locked: ObjectInfo | undefined,
  sizes: ReadonlyMap<string, number>,
): Promise<string[] | undefined> => {
  const number = locked && catalogueVersionOf(locked.name);
  if (number === undefined || number > version) return undefined;
  const held = (await readCatalogue(vault, machineId, number).catch(ifDamaged))?.catalogue;
  if (held === undefined || !sameLevels(held, catalogue!)) return undefined;
  const history = held.history.map(({ object }) => ({ name: nameOf(machineId, OBJECT_KIND.history, object), size: Number(object!.size) }));
  return history.every(({ name, size }) => sizes.get(name) === size) ? history.map(({ name }) => name) : undefined;
};

/** The same error, which also tells what became of the locks. */
export const toldOfLocks = (reason: HoldfastError, failed: unknown): HoldfastError => {
  const { code, thing, why, remedy } = reason;
  const words = failed === undefined ? 'locks are renewed all the same' : `nor could locks be renewed: ${String(failed)}`;
  return new HoldfastError(code, { thing, why: `${why}; ${words}`, remedy, cause: reason });
};
