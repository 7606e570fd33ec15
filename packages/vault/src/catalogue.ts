import { toBinary } from '@bufbuild/protobuf';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { type Catalogue, CatalogueSchema, ID_SIZE } from '@holdfast/protocol';
import { damaged } from './damage.ts';
import { type Finding, findingOf } from './finding.ts';
import { failedOverOf } from './head.ts';
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
}

/** Opens one version; `undefined` when there is none of that number. Errors: DAMAGED, VAULT_VERSION_UNSUPPORTED. */
export const readCatalogue = async (vault: VaultAccess, machineId: string, version: number): Promise<CatalogueVersion | undefined> => {
  const name = catalogueName(machineId, version);
  const head = await ifPresent(readHead(vault, name, { kind: OBJECT_KIND.catalogue, machineId, number: version }));
  if (head === undefined) return undefined;
  const catalogue = decodeRecords(CatalogueSchema, head, name);
  checkCatalogue(catalogue, name);
  return { version, tag: head.tag, catalogue };
};

const checkCatalogue = (catalogue: Catalogue, name: string): void => {
  const { covered, cuts, compacted, firstSlot, head, fenceTerm, history } = catalogue;
  const numbers = [covered, cuts, compacted, firstSlot, fenceTerm, head?.sequence ?? 0n, head?.term ?? 0n];
  const isPossible = numbers.every((number) => number <= BigInt(Number.MAX_SAFE_INTEGER));
  const ends = [0n, ...history.map(({ endCut }) => endCut)];
  const isUnbroken =
    history.every(({ object, firstCut, endCut }, i) => isReference(object) && firstCut === ends[i] && endCut > firstCut) &&
    ends.at(-1)! <= cuts;
  const headIsCovered = head === undefined || (head.sequence < covered && head.tag.length === 32);
  if (!isPossible || !isUnbroken || !headIsCovered || compacted > cuts || firstSlot > covered || !refersRightly(catalogue))
    throw damaged(name, 'what it says contradicts itself');
};

/** What a keeper is led by: a run that is no run, or slots given up that are still needed, would cost data. */
const refersRightly = ({ runs, lost, tombstones, covered, cuts, firstSlot }: Catalogue): boolean =>
  runs.every(
    ({ object, diskId, firstCut, endCut }) => isReference(object) && diskId.length === ID_SIZE && firstCut < endCut && endCut <= cuts,
  ) &&
  lost.every(({ first, last }) => first <= last && last < covered) &&
  tombstones.every(({ kind, id, below }) => (kind === OBJECT_KIND.segment ? below <= firstSlot : id.length === ID_SIZE));

/** The newest version that can be read, and what is wrong with newer ones. */
export interface NewestCatalogue {
  readonly newest: CatalogueVersion | undefined;
  /** The highest number in use, readable or not. */
  readonly highest: number;
  /** Damage of newer versions. */
  readonly damage: readonly Finding[];
}

/** How many damaged versions are stepped over on the way to one that can be read. */
const STEPS_BACK = 8;

/**
 * Finds the newest version: a list tells where to look, and looking for the next number tells whether there are newer ones, so that a list may lag.
 * Errors: VAULT_VERSION_UNSUPPORTED, STORE_UNAVAILABLE.
 */
export const newestCatalogue = async (vault: VaultAccess, machineId: string): Promise<NewestCatalogue> => {
  const damage: Finding[] = [];
  const read = async (version: number): Promise<CatalogueVersion | 'damaged' | undefined> => {
    try {
      return await readCatalogue(vault, machineId, version);
    } catch (reason) {
      if (!isHoldfastError(reason, 'DAMAGED')) throw reason;
      damage.push(findingOf(reason, catalogueName(machineId, version))!);
      return 'damaged';
    }
  };
  let newest: CatalogueVersion | undefined;
  const listed = (await listedVersion(vault, machineId)) - 1;
  let highest = Math.max(0, listed);
  for (;;) {
    const next = await read(highest + 1);
    if (next === undefined) break;
    highest += 1;
    if (next === 'damaged') continue;
    newest = next;
    damage.length = 0;
  }
  for (let version = listed; newest === undefined && version > Math.max(0, listed - STEPS_BACK); version -= 1) {
    const older = await read(version);
    if (older !== 'damaged') newest = older;
  }
  // A version that was listed, and is gone, was deleted long after newer ones were there: the list shows what once was.
  if (newest === undefined && damage.length === 0 && listed >= 0)
    throw new HoldfastError('STORE_UNAVAILABLE', {
      thing: cataloguePrefix(machineId),
      why: `the store lists version ${listed + 1} of the catalogue, which is not there any more`,
      remedy: 'try again when its lists are up to date',
    });
  return { newest, highest, damage };
};

/** The newest version that a list shows, 0 when it shows none. */
const listedVersion = async ({ store }: VaultAccess, machineId: string): Promise<number> => {
  for await (const { name } of store.list(cataloguePrefix(machineId))) {
    const version = catalogueVersionOf(name);
    if (version !== undefined) return version;
  }
  return 0;
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
 * Publishes the version after `highest`; `undefined` when somebody else published one of that number before: read it and think again. Errors: those of
 * the store.
 */
export const publishCatalogue = async (
  { vault, machineId, keyEpoch }: MachineWriter,
  { newest, highest }: Pick<NewestCatalogue, 'newest' | 'highest'>,
  catalogue: Catalogue,
): Promise<CatalogueVersion | undefined> => {
  const version = highest + 1;
  checkCatalogue(catalogue, catalogueName(machineId, version));
  vault.keys.assertOpen();
  const { bytes, tag } = sealObject(
    await vault.keys.keyOf(machineId, keyEpoch),
    { kind: OBJECT_KIND.catalogue, keyEpoch, vaultId: vault.id, machineId, number: version, previousTag: newest?.tag ?? NO_TAG },
    { records: toBinary(CatalogueSchema, catalogue), index: new Uint8Array(0), frames: [] },
  );
  try {
    await vault.store.create(catalogueName(machineId, version), bytes);
  } catch (reason) {
    if (!isHoldfastError(reason, 'OBJECT_EXISTS')) throw reason;
    // It may be one's own: the answer to an earlier attempt was lost.
    const there = await readCatalogue(vault, machineId, version);
    if (there?.tag !== tag) return undefined;
  }
  return { version, tag, catalogue };
};
