import { HoldfastError } from '@holdfast/errors';
import { type Catalogue, idText } from '@holdfast/protocol';
import { aged } from './ageing.ts';
import { newestCatalogue, publishCatalogue } from './catalogue.ts';
import { type CatalogueTrust, catalogueTrust } from './catalogue-trust.ts';
import { tombstoneOf } from './checkpointer.ts';
import { type Clock, systemClock } from './clock.ts';
import { type CompactedLevels, type CompactionOptions, compactRuns, compactTail } from './compaction.ts';
import type { Anchor } from './head.ts';
import type { MachineHistory } from './history.ts';
import type { KeeperKey } from './keeper-key.ts';
import { OBJECT_KIND } from './object-header.ts';
import { readMachine } from './read-machine.ts';
import type { MachineWriter } from './referenced-object.ts';
import { sameLevels } from './same-levels.ts';
import type { Vault } from './vault.ts';

export interface CompactMachineOptions extends CompactionOptions {
  /** Cuts in the tail at which they are made into a run, 64 unless told. */
  readonly minCuts?: number;
  /** Catalogue versions to publish at most. */
  readonly steps?: number;
  /** A slot that must still be there, else VAULT_ROLLED_BACK: nobody tidies up an older copy. */
  readonly anchor?: Anchor;
  /** The key that the keepers of the vault share: what it publishes is vouched for by it, and nothing is built upon what nobody vouches for. */
  readonly keeperKey?: KeeperKey | undefined;
  readonly clock?: Clock;
}

export interface CompactionReport {
  /** Catalogue versions published. */
  readonly published: number;
  /** Bytes of the runs of the machine, afterwards. */
  readonly runBytes: number;
  /** True when somebody else compacted at the same time; what was written is left to be deleted as rubbish. */
  readonly outrun: boolean;
}

/**
 * Moves the data of old cuts out of the log into runs, and merges runs, as far as that is due. Touches nothing that others need: objects are added, and
 * a catalogue version that names them. Safe beside writers, readers and others who compact. Errors: DAMAGED when anything that is needed is (nothing is
 * published then), VAULT_NOT_VOUCHED, MACHINE_NOT_FOUND.
 */
export const compactMachine = async (
  vault: Vault,
  machineId: string,
  options: CompactMachineOptions = {},
  trust = catalogueTrust(vault, machineId, options.keeperKey),
): Promise<CompactionReport> => {
  const { minCuts = 64, steps = Number.POSITIVE_INFINITY, anchor, keeperKey, clock = systemClock } = options;
  let published = 0;
  for (;;) {
    const history = await readMachine(vault, machineId, { anchor, withTimes: true });
    refuseDamaged(history);
    const { catalogue } = history;
    const runBytes = (catalogue?.catalogue.runs ?? []).reduce((sum, { size }) => sum + Number(size), 0);
    if (catalogue !== undefined) await trust.require(catalogue);
    if (catalogue === undefined || published >= steps) return { published, runBytes, outrun: false };
    const writer: MachineWriter = { vault, machineId, keyEpoch: await vault.keys.newestEpoch(machineId), keeperKey };
    const pending = Number(catalogue.catalogue.cuts - catalogue.catalogue.compacted);
    const levels =
      (await compactRuns(writer, history, options)) ?? (pending >= minCuts ? await compactTail(writer, history, options) : undefined);
    if (levels === undefined) return { published, runBytes, outrun: false };
    if (!(await publishLevels(writer, history, levels, trust, clock.now()))) return { published, runBytes, outrun: true };
    published += 1;
  }
};

/** Nobody rearranges a vault that is not whole: what seems dead may be all there is. */
export const refuseDamaged = ({ damage, machine }: MachineHistory): void => {
  const [finding] = damage.filter((found) => found !== machine.damage);
  if (finding === undefined) return;
  throw new HoldfastError('DAMAGED', {
    thing: finding.object,
    why: finding.why,
    remedy: 'run `holdfast vault check` and `holdfast vault repair` first',
  });
};

const ATTEMPTS = 10;

/** Publishes new levels on top of whatever others published meanwhile; false when the levels themselves were changed by somebody. */
const publishLevels = async (
  writer: MachineWriter,
  history: MachineHistory,
  levels: CompactedLevels,
  trust: CatalogueTrust,
  now: number,
): Promise<boolean> => {
  const { catalogue: before } = history.catalogue!;
  let base: Parameters<typeof publishCatalogue>[1] = { newest: history.catalogue, highest: history.catalogue!.version };
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const newest = base.newest?.catalogue;
    if (newest === undefined || !sameLevels(newest, before) || wasGivenUp(newest, levels)) return false;
    const firstSlot = Math.max(Number(newest.firstSlot), firstNeeded(history, levels.compacted));
    const version = BigInt(base.highest + 1);
    const released =
      firstSlot > Number(newest.firstSlot)
        ? [{ ...tombstoneOf(OBJECT_KIND.segment, new Uint8Array(0), Number(version)), below: BigInt(firstSlot) }]
        : [];
    const catalogue: Catalogue = {
      ...newest,
      ...aged(newest, history.catalogue!, history.created),
      publishedUnixMillis: BigInt(now),
      compacted: BigInt(levels.compacted),
      runs: [...levels.runs],
      firstSlot: BigInt(firstSlot),
      tombstones: [...newest.tombstones, ...levels.tombstones.map((tombstone) => ({ ...tombstone, version })), ...released],
    };
    if ((await publishCatalogue(writer, base, catalogue)) !== undefined) return true;
    base = await newestCatalogue(writer.vault, writer.machineId);
    if (base.newest !== undefined) await trust.require(base.newest);
  }
  return false;
};

/** True when somebody took one of the new objects for rubbish: this took too long. Who deletes says so in a catalogue version first. */
const wasGivenUp = ({ tombstones }: Catalogue, { runs, created }: CompactedLevels): boolean => {
  const ids = new Set([...runs.map(({ object }) => idText(object!.id)), ...created.map((id) => idText(id))]);
  return tombstones.some(({ id }) => ids.has(idText(id)));
};

/** The first slot that cuts which are not compacted have frames in, or that the catalogue does not cover. */
const firstNeeded = ({ generations, catalogue }: MachineHistory, compacted: number): number => {
  let first = Number(catalogue!.catalogue.covered);
  for (const { epochs } of generations.values())
    for (const { cut, runs } of epochs) if (cut >= compacted) for (const { sequence } of runs) first = Math.min(first, sequence);
  return first;
};
