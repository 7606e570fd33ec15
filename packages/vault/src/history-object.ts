import { create, toBinary } from '@bufbuild/protobuf';
import {
  type HistoryRecords,
  HistoryRecordsSchema,
  type HistoryRef,
  HistoryRefSchema,
  type LogHead,
  LogHeadSchema,
  type PlacedCut,
  PlacedCutSchema,
} from '@holdfast/protocol';
import type { AssembledCut } from './cut-assembler.ts';
import { damaged } from './damage.ts';
import { OBJECT_KIND } from './object-header.ts';
import { decodeRecords } from './read-object.ts';
import { createPrepared, type MachineWriter, prepareReferenced, readReferenced } from './referenced-object.ts';
import type { VaultAccess } from './vault-access.ts';

/* Objects that tell the cuts of a log, so that nobody reads slots to know them. docs/format.md, "History". */

/** Bytes of records at which the next object is begun. */
const SIZE_LIMIT = 8 * 1024 * 1024;

/** The cuts of one or more objects with the tags of the slots they refer to. */
export type HistoryPart = Pick<HistoryRecords, 'slots' | 'cuts' | 'generations' | 'thinnedEnd'>;

export const placedCut = ({ number, sequence, cut, runs }: AssembledCut): PlacedCut =>
  create(PlacedCutSchema, {
    number: BigInt(number),
    sequence: BigInt(sequence),
    cut,
    epochs: runs.map((ofEpoch) => ({ runs: ofEpoch.map((run) => ({ ...run, sequence: BigInt(run.sequence) })) })),
  });

/** Errors: DAMAGED. `name` is the object's. */
export const assembledCut = ({ number, sequence, cut, epochs }: PlacedCut, name: string): AssembledCut => {
  if (cut === undefined || epochs.length !== cut.epochs.length) throw damaged(name, `cut ${number} in it is not whole`);
  const runs = epochs.map((place) => place.runs.map(({ sequence: slot, first, count }) => ({ sequence: Number(slot), first, count })));
  for (const [i, ofEpoch] of runs.entries())
    if (ofEpoch.length > 0 && BigInt(ofEpoch.reduce((sum, { count }) => sum + count, 0)) !== cut.epochs[i]!.frameCount)
      throw damaged(name, `cut ${number} in it is not whole`);
  return { number: Number(number), sequence: Number(sequence), cut, runs };
};

export const slotHead = (sequence: number, tag: string): LogHead =>
  create(LogHeadSchema, { sequence: BigInt(sequence), tag: Buffer.from(tag, 'hex') });

/** Writes cuts `firstCut` to `endCut` into as many objects as it takes; what is known of thinned generations goes into the first one. */
export const createHistory = async (
  writer: MachineWriter,
  { slots, cuts, generations, thinnedEnd }: HistoryPart,
  endCut: bigint,
  firstCut: bigint,
): Promise<HistoryRef[]> => {
  const refs: HistoryRef[] = [];
  const slotsBySequence = new Map(slots.map((slot) => [slot.sequence, slot]));
  let begin = firstCut;
  for (let at = 0; begin < endCut; ) {
    const chunk: PlacedCut[] = [];
    for (let size = 0; at < cuts.length && (chunk.length === 0 || size < SIZE_LIMIT); at += 1) {
      chunk.push(cuts[at]!);
      size += toBinary(PlacedCutSchema, cuts[at]!).length;
    }
    const end = at < cuts.length ? cuts[at]!.number : endCut;
    const needed = new Set(
      chunk.flatMap(({ sequence, epochs }) => [sequence, ...epochs.flatMap((place) => place.runs.map((run) => run.sequence))]),
    );
    const records = create(HistoryRecordsSchema, {
      slots: [...needed].flatMap((sequence) => slotsBySequence.get(sequence) ?? []),
      cuts: chunk,
      ...(begin === firstCut && { generations, thinnedEnd }),
    });
    const content = { records: toBinary(HistoryRecordsSchema, records), index: new Uint8Array(0), frames: [] };
    const prepared = await prepareReferenced(writer, OBJECT_KIND.history, content);
    await createPrepared(writer.vault, prepared);
    refs.push(create(HistoryRefSchema, { object: prepared.ref, firstCut: begin, endCut: end }));
    begin = end;
  }
  return refs;
};

/** Errors: DAMAGED. */
export const readHistory = async (
  vault: VaultAccess,
  machineId: string,
  ref: HistoryRef,
): Promise<{ readonly name: string; readonly records: HistoryRecords }> => {
  const { head, name } = await readReferenced(vault, machineId, OBJECT_KIND.history, ref.object);
  const records = decodeRecords(HistoryRecordsSchema, head, name);
  let next = ref.firstCut;
  for (const { number } of records.cuts) {
    if (number < next || number >= ref.endCut) throw damaged(name, `cut ${number} is in it out of place`);
    next = number + 1n;
  }
  return { name, records };
};

/** Objects of like size that are put together into one; so there are few, and each cut is written again only a few times. */
const MERGE_COUNT = 4;

/** The objects at the end of the list that are to be written as one together with a new one of `cuts` cuts. */
export const historyToMerge = (refs: readonly HistoryRef[], cuts: bigint): HistoryRef[] => {
  let merged: HistoryRef[] = [];
  for (let weight = cuts; ; ) {
    const rest = refs.slice(0, refs.length - merged.length);
    let count = 0;
    let size = 0n;
    while (count < rest.length) {
      const ref = rest[rest.length - 1 - count]!;
      if (ref.endCut - ref.firstCut >= weight * BigInt(MERGE_COUNT) || ref.object!.size >= SIZE_LIMIT) break;
      size += ref.object!.size;
      count += 1;
    }
    if (count < MERGE_COUNT - 1 || size > SIZE_LIMIT) return merged;
    merged = refs.slice(refs.length - merged.length - count);
    weight = cuts + merged.reduce((sum, ref) => sum + ref.endCut - ref.firstCut, 0n);
  }
};
