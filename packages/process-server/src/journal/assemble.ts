import { create } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import { type Cut, type CutBegin, CutBeginSchema, idText } from '@holdfast/protocol';
import { type CutName, RECORD_TYPE } from './record.ts';
import type { FoundRecord } from './recover.ts';
import type { Segment } from './segments.ts';

/** The records of one cut, as far as they follow one another. */
export interface AssembledCut {
  readonly machineId: string;
  readonly cutId: string;
  readonly begin: CutBegin;
  readonly records: FoundRecord[];
  /** By epoch index. */
  readonly chunks: FoundRecord[][];
  commit?: Cut;
  /** Records of it are missing. */
  broken: boolean;
}

export interface AssembledMachine {
  /** Whole ones, oldest first. */
  readonly cuts: AssembledCut[];
  partial: AssembledCut | undefined;
}

const framesOf = (chunks: readonly FoundRecord[]): number => chunks.reduce((sum, { header }) => sum + header.frames, 0);

const takeFrames = (cut: AssembledCut, record: FoundRecord): void => {
  const { epochIndex, firstFrame } = record.header;
  const chunks = cut.chunks[epochIndex];
  if (chunks === undefined || cut.broken) return;
  if (firstFrame === 0) chunks.length = 0;
  if (firstFrame === framesOf(chunks)) chunks.push(record);
  else cut.broken = true;
};

const isWhole = ({ commit, chunks, broken }: AssembledCut): boolean =>
  !broken &&
  commit !== undefined &&
  commit.epochs.length === chunks.length &&
  commit.epochs.every(({ frameCount }, index) => Number(frameCount) === framesOf(chunks[index]!));

/** A commit that tells all of its cut: no epoch of it has frames. */
const isAlone = (message: NonNullable<FoundRecord['message']>): message is { readonly commit: Cut } =>
  'commit' in message && message.commit.epochs.every(({ frameCount }) => frameCount === 0n);

/** A cut that is settled, of which there still are records. */
export interface SettledCut {
  readonly machineId: string;
  readonly cutId: string;
  readonly segments: Set<Segment>;
  /** Where it is written that the cut is settled. */
  at: Segment | undefined;
  /** It came again since: what was written then stands behind that mark, and no other may follow. */
  cameAgain: boolean;
}

/** By which a cut is known among those of all machines. */
export const keyOf = ({ machineId, cutId }: CutName): string => machineId + cutId;

export interface Assembly {
  readonly machines: ReadonlyMap<string, AssembledMachine>;
  readonly settled: Iterable<SettledCut>;
  readonly damage: readonly HoldfastError[];
}

/**
 * Makes cuts of records in order. Where the files are `damaged`, a cut of which a part is missing is damage too. Else it is what is left of one that was
 * settled, whose mark a power failure took: nothing to speak of.
 */
export const assembleCuts = (records: readonly FoundRecord[], damaged: boolean): Assembly => {
  const settled = new Map<string, SettledCut>();
  /** Where there are records of each cut. */
  const touched = new Map<string, Set<Segment>>();
  const unbegun = new Map<string, HoldfastError>();
  /** By machine, then by cut, in the order they were begun. */
  const begun = new Map<string, Map<string, AssembledCut>>();
  const damage: HoldfastError[] = [];
  const touchedBy = (key: string): Set<Segment> => {
    const segments = touched.get(key) ?? new Set();
    touched.set(key, segments);
    return segments;
  };
  const settle = ({ machineId, cutId }: CutName, at: Segment): void => {
    const key = keyOf({ machineId, cutId });
    begun.get(machineId)?.delete(cutId);
    unbegun.delete(key);
    settled.set(key, { machineId, cutId, segments: touchedBy(key), at, cameAgain: false });
  };
  const comeAgain = (key: string): void => {
    const before = settled.get(key);
    if (before !== undefined) before.cameAgain = true;
  };
  for (const record of records) {
    const { machineId, cutId, type } = record.header;
    const cuts = begun.get(machineId) ?? new Map<string, AssembledCut>();
    begun.set(machineId, cuts);
    const cut = cuts.get(cutId);
    const key = keyOf(record.header);
    const segments = touchedBy(key);
    if (type === RECORD_TYPE.settled) {
      const others = record.message !== undefined && 'settled' in record.message ? record.message.settled : [];
      for (const one of [record.header, ...others]) settle(one, record.segment);
      continue;
    }
    segments.add(record.segment);
    if (record.message !== undefined && 'begin' in record.message) {
      const { begin } = record.message;
      comeAgain(key);
      cuts.delete(cutId);
      cuts.set(cutId, { machineId, cutId, begin, records: [record], chunks: begin.epochs.map(() => []), broken: false });
    } else if (cut !== undefined) {
      cut.records.push(record);
      if (record.message !== undefined && 'commit' in record.message) cut.commit = record.message.commit;
      else takeFrames(cut, record);
    } else if (record.message !== undefined && isAlone(record.message)) {
      const { commit } = record.message;
      comeAgain(key);
      cuts.set(cutId, {
        machineId,
        cutId,
        begin: beginOf(commit),
        records: [record],
        chunks: commit.epochs.map(() => []),
        commit,
        broken: false,
      });
    } else if (type === RECORD_TYPE.commit) unbegun.set(key, incomplete(machineId, cutId, 'its beginning is missing'));
  }
  if (damaged) damage.push(...unbegun.values());

  const machines = new Map<string, AssembledMachine>();
  for (const [machineId, cuts] of begun) {
    const machine: AssembledMachine = { cuts: [], partial: undefined };
    const all = [...cuts.values()];
    const committed = all.filter(({ commit }) => commit !== undefined);
    for (const cut of committed) {
      if (!isWhole(cut) && !damaged) continue;
      if (!isWhole(cut)) {
        damage.push(incomplete(machineId, cut.cutId, 'frames of it are missing; the cuts behind it are given up too'));
        break;
      }
      machine.cuts.push(cut);
    }
    const last = all.at(-1);
    if (last !== undefined && last.commit === undefined) machine.partial = last;
    if (machine.cuts.length > 0 || machine.partial !== undefined) machines.set(machineId, machine);
  }
  return { machines, settled: settled.values(), damage };
};

const incomplete = (machineId: string, cutId: string, why: string): HoldfastError =>
  new HoldfastError('DAMAGED', {
    thing: `cut ${cutId} of machine ${machineId} in the journal`,
    why,
    remedy: 'nothing: its agent still holds it and sends it again',
  });

/** How a cut without frames would have begun. */
export const beginOf = ({ id, epochs }: Cut): CutBegin =>
  create(CutBeginSchema, {
    cutId: id,
    epochs: epochs.map(({ diskId, generationId, number }) => ({ diskId, generationId, number })),
  });

/** The id of the cut that a message begins. */
export const cutIdOf = (begin: CutBegin): string => idText(begin.cutId);
