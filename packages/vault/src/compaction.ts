import { create, toBinary } from '@bufbuild/protobuf';
import { idBytes, idText, type PartRef, RunRecordsSchema, type RunRef, RunRefSchema, type Tombstone } from '@holdfast/protocol';
import { tombstoneOf } from './checkpointer.ts';
import { entryOf } from './cut-path.ts';
import { readExtents, SlotHandles } from './disk-map.ts';
import { FrameReader } from './frame-reader.ts';
import type { EpochEntry, GenerationHistory, MachineHistory } from './history.ts';
import { keptStates } from './kept-states.ts';
import { entriesOf, type OpenRun } from './level-source.ts';
import { OBJECT_KIND } from './object-header.ts';
import { DEFAULT_LIMITS, type PartLimits, PartWriter, type PlacedVersion } from './part-writer.ts';
import { readAhead } from './read-ahead.ts';
import { createPrepared, type MachineWriter, prepareReferenced } from './referenced-object.ts';
import { mergeByStart, type StateOf, sweep } from './sweep.ts';

/*
 * Makes runs: of the cuts at the end of the tail, and of runs of like size. docs/format.md, "Runs".
 */

export interface CompactionOptions {
  readonly limits?: PartLimits;
  /** Bytes of decoded frames kept in memory, 64 MiB unless told. */
  readonly cacheBytes?: number;
  /** Frames of the log that are made into runs at once, 2048 unless told. */
  readonly unitFrames?: number;
  /** Runs of like size at which they are merged, 6 unless told. */
  readonly fanIn?: number;
  /** Ends the work with the reason of the signal; what was written so far is left to be deleted as rubbish. */
  readonly signal?: AbortSignal;
}

const DEFAULT_CACHE = 64 * 1024 * 1024;
const DEFAULT_UNIT = 2048;

/** What a catalogue says of the levels, after a compaction. */
export interface CompactedLevels {
  readonly compacted: number;
  readonly runs: readonly RunRef[];
  readonly tombstones: readonly Tombstone[];
  /** Ids of parts written for it. */
  readonly created: readonly Uint8Array[];
}

/** Makes runs of the oldest cuts of the tail, one for each disk they changed; `undefined` when there are none. */
export const compactTail = async (
  writer: MachineWriter,
  history: MachineHistory,
  { limits = DEFAULT_LIMITS, cacheBytes = DEFAULT_CACHE, unitFrames = DEFAULT_UNIT, signal }: CompactionOptions,
): Promise<CompactedLevels | undefined> => {
  const { catalogue } = history.catalogue!;
  const compacted = Number(catalogue.compacted);
  const tail = [...history.generations.values()]
    .flatMap(({ epochs }) => epochs)
    .filter(({ cut }) => cut >= compacted && cut < Number(catalogue.cuts))
    .sort((a, b) => a.cut - b.cut);
  if (tail.length === 0) return undefined;
  const end = unitEnd(tail, unitFrames);
  const runs: RunRef[] = [...catalogue.runs];
  const created: Uint8Array[] = [];
  for (const diskId of new Set([...history.generations.values()].map((generation) => generation.diskId))) {
    const frames = new FrameReader(diskId, cacheBytes);
    const parts = new PartWriter(writer, idBytes(diskId), frames, limits);
    const versions = await tailVersions(history, diskId, compacted, end);
    for await (const group of readAhead(sweep(versions, keptStates(history, diskId)), frames)) {
      signal?.throwIfAborted();
      await parts.add(group);
    }
    const written = await parts.finish();
    created.push(...written.map(({ object }) => object!.id));
    const run = await createRun(writer, idBytes(diskId), written, compacted, end);
    if (run !== undefined) runs.push(run);
  }
  return { compacted: end, runs, tombstones: [], created };
};

/** The cut before which so many frames are, at least one cut. */
const unitEnd = (tail: readonly EpochEntry[], unitFrames: number): number => {
  let frames = 0;
  for (const [i, { cut, epoch }] of tail.entries()) {
    if (frames >= unitFrames && tail[i - 1]!.cut !== cut) return cut;
    frames += Number(epoch.frameCount);
  }
  return tail.at(-1)!.cut + 1;
};

/** All that the cuts `from` to `end` - 1 changed of a disk, by start. */
const tailVersions = async (history: MachineHistory, diskId: string, from: number, end: number): Promise<PlacedVersion[]> => {
  const slots = new SlotHandles(history.segments);
  const versions: PlacedVersion[] = [];
  for (const generation of history.generations.values()) {
    if (generation.diskId !== diskId) continue;
    const entries = generation.epochs.filter(({ cut }) => cut >= from && cut < end);
    if (entries.length === 0) continue;
    const firstOf: number[] = [];
    const { table, sequences, numbers } = await readExtents(
      entries,
      history.segments,
      sizeBefore(history, generation, entries[0]!),
      (_, first) => firstOf.push(first),
    );
    let epoch = 0;
    for (let extent = 0; extent < table.count; extent += 1) {
      while (epoch + 1 < entries.length && firstOf[epoch + 1]! <= extent) epoch += 1;
      versions.push({
        start: table.starts[extent]!,
        end: table.ends[extent]!,
        cut: entries[epoch]!.cut,
        order: extent,
        kind: table.kinds[extent]!,
        handle: slots.of(sequences[table.frames[extent]!] ?? -1),
        frame: numbers[table.frames[extent]!] ?? 0,
        position: table.positions[extent]!,
      });
    }
  }
  return versions.sort((a, b) => a.start - b.start);
};

/** Bytes of the disk in the state that an epoch applies to. */
const sizeBefore = ({ generations }: MachineHistory, generation: GenerationHistory, { epoch }: EpochEntry): number => {
  const { parent } = generation.generation;
  const before =
    epoch.number > 0n
      ? entryOf(generation, Number(epoch.number) - 1)
      : parent && entryOf(generations.get(idText(parent.generationId)) ?? { epochs: [] }, Number(parent.number));
  return Number(before?.epoch.diskSize ?? 0n);
};

const createRun = async (
  writer: MachineWriter,
  diskId: Uint8Array<ArrayBuffer>,
  parts: readonly PartRef[],
  firstCut: number,
  endCut: number,
): Promise<RunRef | undefined> => {
  if (parts.length === 0) return undefined;
  const records = create(RunRecordsSchema, { diskId, parts: [...parts] });
  const content = { records: toBinary(RunRecordsSchema, records), index: new Uint8Array(0), frames: [] };
  const prepared = await prepareReferenced(writer, OBJECT_KIND.run, content);
  await createPrepared(writer.vault, prepared);
  const size = parts.reduce((sum, { object }) => sum + object!.size, 0n);
  return create(RunRefSchema, { object: prepared.ref, diskId, firstCut: BigInt(firstCut), endCut: BigInt(endCut), size });
};

/*
 * Lazy: the oldest run, which holds most of the disk, is written anew only when the newer ones outweigh it, because that costs as much as all the rest
 * together; until then what it holds in vain is at most as much as was written since. The newer ones are merged a few at a time, so that each byte of them
 * is written once for each power of the fan-in, and a reader has a few runs of each size to look into.
 */

const FAN_IN = 6;

/** Runs of a disk, oldest first, that are to be one; `undefined` while there are few. */
export const runsToMerge = (runs: readonly RunRef[], fanIn = FAN_IN): readonly RunRef[] | undefined => {
  if (runs.length < fanIn) return undefined;
  const newer = runs.slice(1).reduce((sum, { size }) => sum + size, 0n);
  if (newer >= runs[0]!.size) return runs;
  let first = runs.length - 1;
  // Half of what is made of so many: what was merged is not merged again with the next few.
  const limit = (runs.at(-1)!.size * BigInt(fanIn)) / 2n;
  while (first > 0 && runs[first - 1]!.size < limit) first -= 1;
  return runs.length - first >= fanIn ? runs.slice(first) : undefined;
};

/** Merges runs of a disk that are due; `undefined` when none are. */
export const compactRuns = async (
  writer: MachineWriter,
  history: MachineHistory,
  { limits = DEFAULT_LIMITS, cacheBytes = DEFAULT_CACHE, fanIn, signal }: CompactionOptions,
): Promise<CompactedLevels | undefined> => {
  const { version, catalogue } = history.catalogue!;
  for (const diskId of new Set(catalogue.runs.map((run) => idText(run.diskId)))) {
    const due = runsToMerge(
      catalogue.runs.filter((run) => idText(run.diskId) === diskId),
      fanIn,
    );
    if (due === undefined) continue;
    const opened = await Promise.all(due.map((ref) => history.levels.run(ref)));
    const states = keptStates(history, diskId);
    const frames = new FrameReader(diskId, cacheBytes);
    const parts = new PartWriter(writer, idBytes(diskId), frames, limits);
    const reused = new Set<PartRef>();
    for (const cluster of clusters(opened)) {
      const [only] = cluster;
      if (cluster.length === 1 && !(await isWasteful(history, only!.part, states, limits))) {
        reused.add(only!.part);
        await parts.reuse(only!.part);
        continue;
      }
      const sources = opened.map((_, run) =>
        versionsOf(
          history,
          cluster.filter((member) => member.run === run).map(({ part }) => part),
        ),
      );
      for await (const group of readAhead(sweep(mergeByStart(sources), states), frames)) {
        signal?.throwIfAborted();
        await parts.add(group);
      }
    }
    const written = await parts.finish();
    const merged = await createRun(writer, idBytes(diskId), written, Number(due[0]!.firstCut), Number(due.at(-1)!.endCut));
    const replaced = opened.flatMap((run) => run.parts.filter((part) => !reused.has(part)));
    return {
      compacted: Number(catalogue.compacted),
      created: written.filter((part) => !reused.has(part)).map(({ object }) => object!.id),
      runs: catalogue.runs.flatMap((run) => (run === due[0] ? (merged ?? []) : due.includes(run) ? [] : run)),
      tombstones: [
        ...due.map(({ object }) => tombstoneOf(OBJECT_KIND.run, object!.id, version + 1)),
        ...replaced.map(({ object }) => tombstoneOf(OBJECT_KIND.part, object!.id, version + 1)),
      ],
    };
  }
  return undefined;
};

interface Member {
  readonly run: number;
  readonly part: PartRef;
}

/** Parts of several runs, by offset, in groups that overlap. */
const clusters = (runs: readonly OpenRun[]): Member[][] => {
  const members = runs.flatMap(({ parts }, run) => parts.map((part) => ({ run, part })));
  members.sort((a, b) => Number(a.part.start - b.part.start));
  const found: Member[][] = [];
  let end = 0n;
  for (const member of members) {
    if (found.length > 0 && member.part.start < end) found.at(-1)!.push(member);
    else found.push([member]);
    if (member.part.end > end) end = member.part.end;
  }
  return found;
};

async function* versionsOf(history: MachineHistory, parts: readonly PartRef[]): AsyncGenerator<PlacedVersion> {
  for (const part of parts) {
    const { index, handle } = await history.levels.part(part);
    for (const { offset, length, kind, cut, frame, position } of entriesOf(index))
      yield { start: offset, end: offset + length, cut, order: 0, kind, handle, frame, position };
  }
}

/** True for a part that is small, or a third of which nobody can see any more. */
const isWasteful = async (history: MachineHistory, part: PartRef, stateOf: StateOf, { size }: PartLimits): Promise<boolean> => {
  if (part.object!.size < BigInt(size) / 4n) return true;
  const { index } = await history.levels.part(part);
  let all = 0;
  let live = 0;
  for await (const { start, end, versions } of sweep(versionsOf(history, [part]), stateOf)) live += (end - start) * versions.length;
  for (const length of index.lengths) all += length;
  return (all - live) * 3 >= all;
};
