import { create } from '@bufbuild/protobuf';
import { type Catalogue, type EpochRef, type GenerationSummary, GenerationSummarySchema, idText, type LogHead } from '@holdfast/protocol';
import { aged, cameBy } from './ageing.ts';
import { publishCatalogue } from './catalogue.ts';
import { tombstoneOf } from './checkpointer.ts';
import type { AssembledCut } from './cut-assembler.ts';
import { HistoryBuilder, type MachineHistory } from './history.ts';
import { createHistory, placedCut, slotHead } from './history-object.ts';
import { listHolds } from './hold.ts';
import { readCuts } from './log-base.ts';
import { OBJECT_KIND } from './object-header.ts';
import { cataloguePrefix } from './object-names.ts';
import type { MachineWriter } from './referenced-object.ts';
import { type DatedPoint, keptPoints, type RetentionPolicy } from './retention.ts';
import type { VaultAccess } from './vault-access.ts';

/*
 * Thinning forgets points: a catalogue version tells of fewer cuts than the one before. Nothing is moved or deleted by that; what only the forgotten ones
 * needed goes with the next merging of runs.
 */

export interface ThinningOptions {
  readonly policy: RetentionPolicy;
  /** Points that stay: proven by a test, for example. */
  readonly keep?: readonly string[];
  /** Points that have to go for it to be worth while; 1 unless told. */
  readonly atOnce?: number;
  /** Nothing is forgotten once it aborts; its reason is thrown. */
  readonly signal?: AbortSignal;
}

/** Why nothing is thinned at present; `undefined` when nothing speaks against it. */
export const thinningSuspended = ({ failedOver, heads }: MachineHistory): string | undefined => {
  if (failedOver !== undefined) return `the machine is failed over to point ${failedOver.pointId}`;
  const [copying] = [...heads].find(([, { open }]) => open) ?? [];
  return copying === undefined ? undefined : `disk ${copying} is being copied or resynchronized`;
};

/** Forgets points by policy. Resolves to how many; 0 too when somebody else published at the same time. `history` is undamaged. */
export const thinMachine = async (
  writer: MachineWriter,
  history: MachineHistory,
  { policy, keep = [], atOnce = 1, signal }: ThinningOptions,
  now: number,
): Promise<number> => {
  const { vault, machineId } = writer;
  const before = history.catalogue;
  if (before === undefined || thinningSuspended(history) !== undefined) return 0;
  const { catalogue } = before;
  const held = await pointsHeld(vault, machineId);
  const told = await readTold(writer, catalogue);
  const ageing = aged(catalogue, before, history.created);
  const kept = keptPoints(datedPoints(history, told, ageing), policy);
  for (const id of [...keep, ...held]) kept.add(id);
  const { needed, generations } = neededCuts(told, history, kept, Number(catalogue.compacted));
  const forgotten = told.cuts.filter(({ number, cut }) => cut.point !== undefined && !needed.has(number)).length;
  if (forgotten === 0 || forgotten < atOnce) return 0;

  const refs = await createHistory(
    writer,
    {
      slots: told.slots,
      cuts: told.cuts.filter(({ number }) => needed.has(number)).map(placedCut),
      generations,
      thinnedEnd: catalogue.cuts,
    },
    catalogue.cuts,
    0n,
  );
  const version = before.version + 1;
  const replaced = catalogue.history.map(({ object }) => tombstoneOf(OBJECT_KIND.history, object!.id, version));
  const thinned: Catalogue = {
    ...catalogue,
    ...ageing,
    publishedUnixMillis: BigInt(now),
    history: refs,
    tombstones: [...catalogue.tombstones, ...replaced],
  };
  signal?.throwIfAborted();
  const published = await publishCatalogue(writer, { newest: before, highest: before.version }, thinned);
  return published === undefined ? 0 : forgotten;
};

/** The points that are in use by holds which have not ended, by the latest that the clock of the store has shown. */
const pointsHeld = async (vault: VaultAccess, machineId: string): Promise<string[]> => {
  const holds = await listHolds(vault, machineId);
  let now = Math.max(0, ...holds.map(({ created }) => created));
  for await (const { created } of vault.store.list(cataloguePrefix(machineId))) {
    now = Math.max(now, created);
    break;
  }
  return holds.filter(({ ends }) => ends > now).flatMap(({ points }) => points);
};

/** The points, and when each was in the vault; those that no mark is above came with the last one at the latest. */
const datedPoints = ({ points }: MachineHistory, { cuts }: Told, { ageing }: Pick<Catalogue, 'ageing'>): DatedPoint[] => {
  const cutOf = new Map(cuts.flatMap(({ number, cut }) => (cut.point === undefined ? [] : [[idText(cut.point.id), number] as const])));
  const cameAt = cameBy(ageing);
  return points.map(({ id, time, point }) => ({ id, time, point, came: cameAt(cutOf.get(id) ?? Number.POSITIVE_INFINITY) }));
};

interface Told {
  readonly cuts: readonly AssembledCut[];
  readonly slots: LogHead[];
  readonly generations: GenerationSummary[];
}

/** All that a catalogue tells, as of the last cut it tells. */
const readTold = async ({ vault, machineId }: MachineWriter, catalogue: Catalogue): Promise<Told> => {
  const builder = new HistoryBuilder(machineId);
  const cuts: AssembledCut[] = [];
  const slots: LogHead[] = [];
  await readCuts(vault, machineId, catalogue, {
    onGenerations: (summaries) => builder.load(summaries),
    onCut: (cut, name, isLoaded) => {
      if (isLoaded) builder.tell(cut);
      else builder.add(cut, name);
      cuts.push(cut);
    },
    onSlot: (sequence, tag) => slots.push(slotHead(sequence, tag)),
  });
  const generations = [...builder.generations.values()].map(({ id, generation, firstCut }) =>
    create(GenerationSummarySchema, { generation, firstCut: BigInt(firstCut), ...builder.summaryOf(id) }),
  );
  return { cuts, slots, generations };
};

/**
 * The cuts that have to be told: those of kept points and of all that is not in runs yet; of every disk the newest one in them; those that generations
 * begin on which are themselves needed; those with a manifest that a kept point refers to. And the generations that they are of.
 */
const neededCuts = (
  told: Told,
  history: MachineHistory,
  kept: ReadonlySet<string>,
  compacted: number,
): { readonly needed: Set<number>; readonly generations: GenerationSummary[] } => {
  const epochs = new Map<string, number>();
  const newestCuts = new Map<string, number>();
  const needed = new Set<number>();
  for (const { number, cut } of told.cuts) {
    if (number >= compacted) needed.add(number);
    for (const { diskId, generationId, number: epoch } of cut.epochs) {
      epochs.set(`${idText(generationId)} ${epoch}`, number);
      if (number < compacted) newestCuts.set(idText(diskId), number);
    }
  }
  for (const number of newestCuts.values()) needed.add(number);
  const keepEpoch = (ref: EpochRef | undefined): void => {
    const number = ref && epochs.get(`${idText(ref.generationId)} ${ref.number}`);
    if (number !== undefined) needed.add(number);
  };
  const manifests = new Set<string>();
  for (const { id, point } of history.points) {
    if (!kept.has(id)) continue;
    manifests.add(idText(point.manifestId));
    for (const { epoch } of point.members) keepEpoch(epoch);
  }
  for (const { number, cut } of told.cuts) {
    const isOfKept = cut.point !== undefined && kept.has(idText(cut.point.id));
    if (isOfKept || (cut.manifest !== undefined && manifests.has(idText(cut.manifest.id)))) needed.add(number);
  }
  // Generations of the tail, which the catalogue does not tell of yet.
  const known = new Set(told.generations.map(({ generation }) => idText(generation!.id)));
  for (const { id, generation } of history.generations.values()) if (!known.has(id)) keepEpoch(generation.parent);
  return { needed, generations: neededGenerations(told, needed, keepEpoch) };
};

/** The newest generation of each disk, those of needed cuts, and those that one of these begins on, in a state that is needed then. */
const neededGenerations = (
  { cuts, generations }: Told,
  needed: ReadonlySet<number>,
  keepEpoch: (ref: EpochRef | undefined) => void,
): GenerationSummary[] => {
  const newest = new Map(generations.map(({ generation }) => [idText(generation!.diskId), idText(generation!.id)]));
  const ids = new Set(newest.values());
  for (let before = -1; before !== needed.size; ) {
    before = needed.size;
    for (const { number, cut } of cuts) if (needed.has(number)) for (const { generationId } of cut.epochs) ids.add(idText(generationId));
    for (const { generation } of generations) if (ids.has(idText(generation!.id))) keepEpoch(generation!.parent);
  }
  return generations.filter(({ generation }) => ids.has(idText(generation!.id)));
};
