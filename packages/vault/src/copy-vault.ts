import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';
import { checkContinuity } from './continuity.ts';
import { type Hold, holdMachine } from './hold.ts';
import { VAULT_NAME } from './object-names.ts';
import { readMachine } from './read-machine.ts';
import { ifPresent, readWhole } from './read-object.ts';
import type { Vault } from './vault.ts';

export interface CopyOptions {
  /** Objects copied at the same time, 4 unless told. */
  readonly concurrency?: number;
  /** Deletes from the copy what the vault does not have any more, once the copy is found whole. */
  readonly prune?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly bytes: number; readonly total: number }) => void;
}

export interface CopyReport {
  /** Objects, and bytes, copied by this call. */
  readonly objects: number;
  readonly bytes: number;
  /** Objects that were there already. */
  readonly present: number;
  readonly pruned: number;
  /** False when nothing may be created in the vault: then a keeper may delete what is being copied, and the copying has to begin again. */
  readonly isHeld: boolean;
  /** What the copy holds, read back from it. */
  readonly machines: readonly {
    readonly id: string;
    readonly name: string;
    readonly points: number;
    readonly newestPoint: number | undefined;
  }[];
}

interface Listed {
  readonly name: string;
  readonly size: number;
}

const CONCURRENCY = 4;
/** Long enough for any copying that is still alive; somebody who died holds no longer. */
const HOLD = 7 * 24 * 3_600_000;
/** What concerns one store only. */
const NOT_COPIED = /^m\/[0-9a-f]{32}\/(holds|scrubs)\//;
/** What goes in a vault whatever is held there: it is stepped over when it is gone. */
const UNHELD = /^control\//;
const PRUNED = /^(keys\/|control\/|m\/[0-9a-f]{32}\/(log|catalogue|history|runs|parts)\/)/;

/** What is referred to comes before what refers to it, anything else between; that there is a vault comes last. */
const ORDER = [/^m\/[0-9a-f]{32}\/parts\//, /^m\/[0-9a-f]{32}\/runs\//, /^m\/[0-9a-f]{32}\/history\//, /^m\/[0-9a-f]{32}\/(keys|terms)\//];
const LAST = [
  /^control\/.*\/end$/,
  /^m\/[0-9a-f]{32}\/log\//,
  /^m\/[0-9a-f]{32}\/catalogue\//,
  /^machines\//,
  /^(keys|holders)\//,
  /^vault$/,
];
const rankOf = (name: string): number => {
  const first = ORDER.findIndex((pattern) => pattern.test(name));
  if (first >= 0) return first;
  const last = LAST.findIndex((pattern) => pattern.test(name));
  return ORDER.length + 1 + last;
};

/**
 * Copies a vault into another store, object by object as they are: no key is needed to carry them, and the copy opens with the same keys. What is there
 * already is left, so that it can be interrupted at any time and goes on; called again later it brings the copy up to date. Ends with a look at the copy: what
 * its catalogues need is there. A copy must not be written to while the vault is: only one of them may go on. Errors: OBJECT_EXISTS (the target is
 * another vault, or went on by itself), DAMAGED (the copy is not whole), STORE_UNAVAILABLE, NO_PERMISSION.
 */
export const copyVault = async (vault: Vault, target: ObjectStore, options: CopyOptions = {}): Promise<CopyReport> => {
  const { concurrency = CONCURRENCY, prune = false, signal, onProgress } = options;
  await refuseOther(vault, target);
  const holds = await holdAll(vault);
  try {
    const wanted = (await listAll(vault.store)).filter(({ name }) => !NOT_COPIED.test(name));
    const there = new Map((await listAll(target)).map(({ name, size }) => [name, size]));
    await refuseDiverged(vault.store, target, wanted, there);
    const missing = wanted.filter(({ name }) => !there.has(name));
    const total = missing.reduce((sum, { size }) => sum + size, 0);
    let objects = 0;
    let bytes = 0;
    for (const group of Map.groupBy(missing.toSorted(byOrder), ({ name }) => rankOf(name)).values()) {
      const left = group.values();
      const work = async (): Promise<void> => {
        for (const { name } of left) {
          signal?.throwIfAborted();
          const content = await (UNHELD.test(name) ? ifPresent(readWhole(vault.store, name)) : readWhole(vault.store, name));
          if (content === undefined) continue;
          await target.create(name, content);
          objects += 1;
          bytes += content.length;
          onProgress?.({ bytes, total });
        }
      };
      await Promise.all(Array.from({ length: concurrency }, work));
    }
    const machines = await readCopy({ ...vault, store: target }, await vault.machines());
    const names = new Set(wanted.map(({ name }) => name));
    let pruned = 0;
    // What refers to others goes before them.
    const gone = [...there.keys()].filter((name) => prune && !names.has(name) && PRUNED.test(name));
    for (const name of gone.toSorted((a, b) => rankOf(b) - rankOf(a))) {
      await target.delete(name);
      pruned += 1;
    }
    return { objects, bytes, present: wanted.length - missing.length, pruned, isHeld: holds !== undefined, machines };
  } finally {
    for (const hold of holds ?? []) await hold.release();
  }
};

const byOrder = (a: Listed, b: Listed): number => rankOf(a.name) - rankOf(b.name) || (a.name < b.name ? -1 : 1);

const listAll = async (store: ObjectStore): Promise<Listed[]> => {
  const listed: Listed[] = [];
  for await (const { name, size } of store.list('')) listed.push({ name, size });
  return listed;
};

/** `undefined` for those who may only read. */
const holdAll = async (vault: Vault): Promise<Hold[] | undefined> => {
  const holds: Hold[] = [];
  try {
    for (const { id } of await vault.machines()) holds.push(await holdMachine(vault, id, { reason: 'a copy is being made', lasts: HOLD }));
    return holds;
  } catch (reason) {
    for (const hold of holds) await hold.release();
    if (isHoldfastError(reason, 'NO_PERMISSION')) return undefined;
    throw reason;
  }
};

const refuseOther = async ({ store }: Vault, target: ObjectStore): Promise<void> => {
  const there = await ifPresent(target.read(VAULT_NAME));
  if (there !== undefined && Buffer.compare(there, await store.read(VAULT_NAME)) !== 0)
    throw new HoldfastError('OBJECT_EXISTS', {
      thing: target.url,
      why: 'another vault is there',
      remedy: 'name an empty place, or the place of an earlier copy of this vault',
    });
};

/** Whoever wrote to the copy made a history of its own. Where both have a numbered object, it must be the same; the newest one of each kind tells. */
const refuseDiverged = async (
  store: ObjectStore,
  target: ObjectStore,
  wanted: readonly Listed[],
  there: ReadonlyMap<string, number>,
): Promise<void> => {
  const shared = wanted.filter(({ name }) => there.has(name));
  const newest = new Map<string, string>();
  for (const { name, size } of shared) {
    if (there.get(name) !== size) throw diverged(target, name);
    const folder = name.slice(0, name.lastIndexOf('/'));
    // Catalogues count down.
    if (/\/(log|terms)$/.test(folder) || (folder.endsWith('/catalogue') && !newest.has(folder))) newest.set(folder, name);
  }
  for (const name of newest.values())
    if (Buffer.compare(await store.read(name), await target.read(name)) !== 0) throw diverged(target, name);
};

const diverged = ({ url }: ObjectStore, name: string): HoldfastError =>
  new HoldfastError('OBJECT_EXISTS', {
    thing: `${url}: ${name}`,
    why: 'it is another object than the vault has: the copy was written to',
    remedy: 'copy to an empty place; use one of the two only from now on',
  });

const readCopy = async (copy: Vault, machines: readonly { readonly id: string }[]): Promise<CopyReport['machines'][number][]> => {
  const read: CopyReport['machines'][number][] = [];
  for (const { id } of machines) {
    const history = await readMachine(copy, id);
    await checkContinuity(history);
    const { machine, points } = history;
    read.push({ id, name: machine.name, points: points.length, newestPoint: points.at(-1)?.time });
  }
  return read;
};
