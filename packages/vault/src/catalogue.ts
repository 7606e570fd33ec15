import { toBinary } from '@bufbuild/protobuf';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { type Catalogue, CatalogueSchema, ID_SIZE } from '@holdfast/protocol';
import { isAgeing } from './ageing.ts';
import { damaged } from './damage.ts';
import { type Finding, findingOf } from './finding.ts';
import { failedOverOf } from './head.ts';
import { claimOf, type VoucherClaim } from './keeper-key.ts';
import { LogState } from './log-state.ts';
import { OBJECT_KIND } from './object-header.ts';
import { catalogueName, cataloguePrefix, catalogueVersionOf } from './object-names.ts';
import { decodeRecords, ifPresent, readHead } from './read-object.ts';
import { isReference, type MachineWriter } from './referenced-object.ts';
import { NO_TAG, sealObject } from './sealed-object.ts';
import type { VaultAccess } from './vault-access.ts';

/*
 * The catalogue of a machine: numbered versions, each complete, each an immutable object. The number decides who wrote a version, as with slots; the
 * newest is what holds. docs/format.md, "Catalogue".
 */

export interface CatalogueVersion {
  /** 1, 2, 3 … */
  readonly version: number;
  readonly tag: string;
  readonly catalogue: Catalogue;
  /** Who says to vouch for it: true or not. */
  readonly claim: VoucherClaim | undefined;
}

/** Opens one version; `undefined` when there is none of that number. Errors: DAMAGED, VAULT_VERSION_UNSUPPORTED. */
export const readCatalogue = async (vault: VaultAccess, machineId: string, version: number): Promise<CatalogueVersion | undefined> => {
  const name = catalogueName(machineId, version);
  const head = await ifPresent(readHead(vault, name, { kind: OBJECT_KIND.catalogue, machineId, number: version }));
  if (head === undefined) return undefined;
  const catalogue = decodeRecords(CatalogueSchema, head, name);
  checkCatalogue(catalogue, name);
  return { version, tag: head.tag, catalogue, claim: claimOf(head.records) };
};

const checkCatalogue = (catalogue: Catalogue, name: string): void => {
  const { covered, cuts, compacted, firstSlot, head, fenceTerm, history, ageing } = catalogue;
  const numbers = [covered, cuts, compacted, firstSlot, fenceTerm, head?.sequence ?? 0n, head?.term ?? 0n];
  const isPossible = numbers.every((number) => number <= BigInt(Number.MAX_SAFE_INTEGER));
  const ends = [0n, ...history.map(({ endCut }) => endCut)];
  const isUnbroken =
    history.every(({ object, firstCut, endCut }, i) => isReference(object) && firstCut === ends[i] && endCut > firstCut) &&
    ends.at(-1)! <= cuts;
  const headIsCovered = head === undefined || (head.sequence < covered && head.tag.length === 32);
  const isAged = ageing === undefined || isAgeing(ageing, cuts);
  if (!isPossible || !isUnbroken || !headIsCovered || !isAged || compacted > cuts || firstSlot > covered || !refersRightly(catalogue))
    throw damaged(name, 'what it says contradicts itself');
};

/** What a keeper is led by: a run that is no run, or slots given up that are still needed, would cost data. */
const refersRightly = ({ runs, lost, tombstones, covered, cuts, firstSlot, keeper }: Catalogue): boolean =>
  (keeper.length === 0 || keeper.length === ID_SIZE) &&
  runs.every(
    ({ object, diskId, firstCut, endCut }) => isReference(object) && diskId.length === ID_SIZE && firstCut < endCut && endCut <= cuts,
  ) &&
  lost.every(({ first, last }) => first <= last && last < covered) &&
  tombstones.every(({ kind, id, below }) => (kind === OBJECT_KIND.segment ? below <= firstSlot : id.length === ID_SIZE));

/** The newest version that can be read, and what is wrong with newer ones. */
export interface NewestCatalogue {
  readonly newest: CatalogueVersion | undefined;
  /** The highest number in use, readable or not, but for strangers. */
  readonly highest: number;
  /** Damage of newer versions. */
  readonly damage: readonly Finding[];
  /** Objects that cannot be read and whose numbers lie far above all that is in use: nobody who writes here made them. */
  readonly strangers: readonly Finding[];
  /** When the store created versions, by number, as far as it listed them here. */
  readonly created: ReadonlyMap<number, number>;
}

/** Catalogue versions that stay besides the newest one, whatever their age (docs/format.md, "Deleting"): numbers have no gaps, so as many below the newest are always there. */
export const VERSIONS_KEPT = 8;
/** How many that cannot be read are stepped over on the way to one that can. */
const STEPS_BACK = 256;
/** Versions of which it is told when they were created, where that is asked for: those of a week, of a writer alone. They come with the same answer of the store. */
const TIMES = 1000;

interface Unread {
  readonly version: number;
  readonly finding: Finding;
  readonly reason: unknown;
}

/** Reads versions, and keeps why those that cannot be read cannot. */
const readingOf =
  (vault: VaultAccess, machineId: string) =>
  async (version: number): Promise<CatalogueVersion | Unread | undefined> => {
    try {
      return await readCatalogue(vault, machineId, version);
    } catch (reason) {
      const finding = findingOf(reason, catalogueName(machineId, version));
      if (finding === undefined) throw reason;
      return { version, finding, reason };
    }
  };

interface Listed extends Pick<NewestCatalogue, 'newest' | 'created'> {
  readonly unread: readonly Unread[];
  readonly gone: number;
}

/** The newest of the versions that a list shows which can be read, and newer ones that cannot be, the newest first. */
const newestListed = async (vault: VaultAccess, machineId: string, times: number): Promise<Listed> => {
  const read = readingOf(vault, machineId);
  const unread: Unread[] = [];
  const created = new Map<number, number>();
  let newest: CatalogueVersion | undefined;
  let gone = 0;
  for await (const info of vault.store.list(cataloguePrefix(machineId))) {
    const version = catalogueVersionOf(info.name);
    if (version === undefined) continue;
    created.set(version, info.created);
    if (newest === undefined) {
      const found = await read(version);
      if (found === undefined) gone = Math.max(gone, version);
      else if ('catalogue' in found) newest = found;
      else if (unread.push(found) === STEPS_BACK) break;
      if (newest === undefined && gone > 0 && version < gone - VERSIONS_KEPT) break;
    }
    if (newest !== undefined && created.size >= times) break;
  }
  return { newest, unread, gone, created };
};

/**
 * Finds the newest version: a list tells where to look, and looking for the next number tells whether there are newer ones, so that a list may lag. What
 * cannot be read is stepped over; who may create objects here, and has no key, hides nothing by a number of his own.
 * `withTimes`: also when older ones were created. Errors: VAULT_VERSION_UNSUPPORTED, STORE_UNAVAILABLE.
 */
export const newestCatalogue = async (vault: VaultAccess, machineId: string, withTimes = false): Promise<NewestCatalogue> => {
  const read = readingOf(vault, machineId);
  const listed = await newestListed(vault, machineId, withTimes ? TIMES : 0);
  let { newest } = listed;
  let highest = newest?.version ?? 0;
  const damaged: Unread[] = [];
  const strangers: Unread[] = [];
  for (const one of listed.unread.toReversed()) {
    // Of too many nobody knows what they lie above.
    const isOurs = one.version - highest <= VERSIONS_KEPT || listed.unread.length === STEPS_BACK;
    if (isOurs) highest = one.version;
    (isOurs ? damaged : strangers).push(one);
  }
  const asked = highest;
  for (;;) {
    const next = await read(highest + 1);
    if (next === undefined) break;
    highest += 1;
    if (!('catalogue' in next)) {
      damaged.push(next);
      continue;
    }
    newest = next;
    damaged.length = 0;
  }
  // What another release wrote may be what holds.
  const unknown = damaged.find(({ finding }) => finding.code === 'VAULT_VERSION_UNSUPPORTED');
  if (unknown !== undefined) throw unknown.reason;
  // A version that was listed, and is gone, was deleted long after newer ones were there: the list shows what once was.
  if (newest === undefined && damaged.length === 0 && listed.gone > asked)
    throw new HoldfastError('STORE_UNAVAILABLE', {
      thing: cataloguePrefix(machineId),
      why: `the store lists version ${listed.gone} of the catalogue, which is not there any more`,
      remedy: 'try again when its lists are up to date',
    });
  const findings = (all: readonly Unread[]): Finding[] => all.map(({ finding }) => finding);
  const above = strangers.filter(({ version }) => version > highest);
  return { newest, highest, damage: findings(damaged), strangers: findings(above), created: listed.created };
};

/** Where the log goes on behind the slots that a catalogue covers. */
export const stateOf = ({ head, fenceTerm, failedOver }: Catalogue): LogState => {
  const state = new LogState();
  if (head !== undefined)
    state.head = { sequence: Number(head.sequence), tag: Buffer.from(head.tag).toString('hex'), term: Number(head.term) };
  state.fenceTerm = Number(fenceTerm);
  state.failedOver = failedOver === undefined ? undefined : failedOverOf(failedOver);
  return state;
};

/**
 * Publishes the version after `highest`; `undefined` when somebody else published one of that number before: read it and think again. Who has a keeper key
 * vouches for it. Errors: those of the store.
 */
export const publishCatalogue = async (
  { vault, machineId, keyEpoch, keeperKey }: MachineWriter,
  { newest, highest }: Pick<NewestCatalogue, 'newest' | 'highest'>,
  catalogue: Catalogue,
): Promise<CatalogueVersion | undefined> => {
  const version = highest + 1;
  checkCatalogue(catalogue, catalogueName(machineId, version));
  vault.keys.assertOpen();
  // Of the version that this one is made from, and of no other.
  const told: Catalogue = { ...catalogue, ...(keeperKey && { keeper: keeperKey.id }), voucher: new Uint8Array(0) };
  const plain = toBinary(CatalogueSchema, told);
  const records = keeperKey?.vouchFor({ machineId, version }, plain) ?? plain;
  const { bytes, tag } = sealObject(
    await vault.keys.keyOf(machineId, keyEpoch),
    { kind: OBJECT_KIND.catalogue, keyEpoch, vaultId: vault.id, machineId, number: version, previousTag: newest?.tag ?? NO_TAG },
    { records, index: new Uint8Array(0), frames: [] },
  );
  try {
    await vault.store.create(catalogueName(machineId, version), bytes);
  } catch (reason) {
    if (!isHoldfastError(reason, 'OBJECT_EXISTS')) throw reason;
    // It may be one's own: the answer to an earlier attempt was lost.
    const there = await readCatalogue(vault, machineId, version);
    if (there?.tag !== tag) return undefined;
  }
  return { version, tag, catalogue: told, claim: claimOf(records) };
};
