import { create, toBinary } from '@bufbuild/protobuf';
import {
  type Catalogue,
  CatalogueSchema,
  GenerationSummarySchema,
  type HistoryRef,
  type PlacedCut,
  PlacedCutSchema,
  type Tombstone,
  TombstoneSchema,
} from '@holdfast/protocol';
import { type CatalogueVersion, stateOf } from './catalogue.ts';
import { stateContent } from './checkpointer.ts';
import { CutAssembler } from './cut-assembler.ts';
import { placedCut, readHistory } from './history-object.ts';
import { OBJECT_KIND } from './object-header.ts';
import { readSlots } from './read-log.ts';
import type { VaultAccess } from './vault-access.ts';

/*
 * What a writer publishes says nothing but what an earlier version and the log since say. Whoever trusts the earlier one, and reads the slots himself, can
 * therefore tell whether to trust the later one, whoever published it.
 */

/**
 * What a version says that neither an earlier one nor the log since does, for people; `undefined` when there is nothing of the kind. Without an earlier one the
 * log alone has to say it all. Errors: DAMAGED, and those of the store.
 */
export const otherThanLog = async (
  vault: VaultAccess,
  machineId: string,
  earlier: CatalogueVersion | undefined,
  later: CatalogueVersion,
): Promise<string | undefined> => {
  const before = earlier?.catalogue ?? create(CatalogueSchema);
  const { catalogue } = later;
  if (!sameBytes(onlyKeepersChange(before), onlyKeepersChange(catalogue)))
    return 'where the data of points lies, or which slots are given up or lost, is not as it was';
  if (!isTombstoneOfWriter(before, catalogue, earlier?.version ?? 0, later.version)) return 'it gives up what only a keeper gives up';
  if (catalogue.covered < before.covered) return 'it covers less of the log';

  const log = await replay(vault, machineId, before, catalogue.covered);
  if (typeof log === 'string') return log;
  const { covered: _, cuts, ...state } = catalogue;
  if (Number(cuts) !== log.cuts || !sameBytes(stateOnly(state), log.state)) return 'it tells of another state of the log';

  let shared = 0;
  while (isSameObject(before.history[shared], catalogue.history[shared])) shared += 1;
  const known = await tell(vault, machineId, before.history.slice(shared));
  const told = await tell(vault, machineId, catalogue.history.slice(shared));
  if (shared === 0 && !sameBytes(known.thinning, told.thinning)) return 'it tells of other generations that were thinned';
  return otherCuts([...known.cuts, ...log.told], told.cuts) ?? otherSlots(new Map([...known.slots, ...log.slots]), told);
};

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** All but what writers change with each version. */
const onlyKeepersChange = ({ head: _head, failedOver: _failedOver, ...rest }: Catalogue): Uint8Array =>
  toBinary(CatalogueSchema, {
    ...rest,
    publishedUnixMillis: 0n,
    covered: 0n,
    fenceTerm: 0n,
    history: [],
    cuts: 0n,
    tombstones: [],
    keeper: new Uint8Array(0),
    voucher: new Uint8Array(0),
  });

const stateOnly = ({ head, fenceTerm, failedOver }: ReturnType<typeof stateContent>): Uint8Array =>
  toBinary(CatalogueSchema, create(CatalogueSchema, { ...(head && { head }), fenceTerm, ...(failedOver && { failedOver }) }));

/** Writers put objects of history together, and give up nothing else. */
const isTombstoneOfWriter = (before: Catalogue, { tombstones }: Catalogue, from: number, to: number): boolean => {
  const textOf = (tombstone: Tombstone): string => Buffer.from(toBinary(TombstoneSchema, tombstone)).toString('hex');
  const known = new Set(before.tombstones.map(textOf));
  return tombstones.every(
    (tombstone) =>
      known.has(textOf(tombstone)) ||
      (tombstone.kind === OBJECT_KIND.history && Number(tombstone.version) > from && Number(tombstone.version) <= to),
  );
};

interface Told {
  readonly cuts: readonly PlacedCut[];
  /** Tags of the slots that the cuts are in. */
  readonly slots: ReadonlyMap<number, string>;
  readonly thinning: Uint8Array;
}

interface Replayed {
  readonly told: readonly PlacedCut[];
  readonly slots: ReadonlyMap<number, string>;
  /** The number of the next cut. */
  readonly cuts: number;
  readonly state: Uint8Array;
}

/** What the slots up to `covered` say behind a version; words where there are no such slots. */
const replay = async (vault: VaultAccess, machineId: string, before: Catalogue, covered: bigint): Promise<Replayed | string> => {
  const state = stateOf(before);
  const assembler = new CutAssembler(Number(before.cuts));
  const told: PlacedCut[] = [];
  const slots = new Map<number, string>();
  let next = Number(before.covered);
  if (covered > before.covered)
    for await (const slot of readSlots(vault, machineId, next)) {
      next += 1;
      if (state.accepts(slot)) {
        told.push(...assembler.take(slot).map(placedCut));
        state.advance(slot);
        slots.set(slot.sequence, slot.tag);
      }
      if (next === Number(covered)) break;
    }
  if (next !== Number(covered)) return `it covers slot ${next} of the log, which is not there`;
  if (!assembler.isWhole) return `it ends in the middle of a cut, behind slot ${next - 1}`;
  return { told, slots, cuts: assembler.next, state: stateOnly(stateContent(state)) };
};

const isSameObject = (a: HistoryRef | undefined, b: HistoryRef | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  a.firstCut === b.firstCut &&
  a.endCut === b.endCut &&
  sameBytes(a.object!.id, b.object!.id) &&
  sameBytes(a.object!.tag, b.object!.tag);

const tell = async (vault: VaultAccess, machineId: string, refs: readonly HistoryRef[]): Promise<Told> => {
  const cuts: PlacedCut[] = [];
  const slots = new Map<number, string>();
  const thinning: Uint8Array[] = [];
  for (const [index, ref] of refs.entries()) {
    const { records } = await readHistory(vault, machineId, ref);
    cuts.push(...records.cuts);
    for (const { sequence, tag } of records.slots) slots.set(Number(sequence), Buffer.from(tag).toString('hex'));
    if (index > 0 || records.thinnedEnd === 0n) continue;
    thinning.push(Buffer.from(String(records.thinnedEnd)), ...records.generations.map((one) => toBinary(GenerationSummarySchema, one)));
  }
  return { cuts, slots, thinning: Buffer.concat(thinning) };
};

const otherCuts = (expected: readonly PlacedCut[], told: readonly PlacedCut[]): string | undefined => {
  const bytesOf = new Map(told.map((cut) => [cut.number, toBinary(PlacedCutSchema, cut)]));
  const missing = expected.filter(({ number }) => !bytesOf.has(number));
  const points = missing.filter(({ cut }) => cut?.point !== undefined).length;
  if (missing.length > 0) return `it leaves out ${missing.length} cuts, and with them ${points} points`;
  const isSame =
    expected.length === told.length && expected.every((cut) => sameBytes(toBinary(PlacedCutSchema, cut), bytesOf.get(cut.number)!));
  return isSame ? undefined : 'it tells of cuts that were not made, or were made otherwise';
};

/** A slot that has another tag than it is said to have is refused when it is read: its cuts would be lost. */
const otherSlots = (expected: ReadonlyMap<number, string>, { cuts, slots }: Told): string | undefined => {
  const wrong =
    [...slots].find(([sequence, tag]) => expected.get(sequence) !== tag) ??
    [...sequencesOf(cuts)].map((sequence) => [sequence]).find(([sequence]) => expected.get(sequence!) !== slots.get(sequence!));
  return wrong && `it tells of another slot ${wrong[0]} of the log`;
};

function* sequencesOf(cuts: readonly PlacedCut[]): Generator<number> {
  for (const { sequence, epochs } of cuts) {
    yield Number(sequence);
    for (const { runs } of epochs) for (const run of runs) yield Number(run.sequence);
  }
}
