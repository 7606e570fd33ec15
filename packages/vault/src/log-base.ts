import type { Catalogue, GenerationSummary } from '@holdfast/protocol';
import { type NewestCatalogue, newestCatalogue, stateOf } from './catalogue.ts';
import { type AssembledCut, CutAssembler } from './cut-assembler.ts';
import { damaged } from './damage.ts';
import { assembledCut, readHistory } from './history-object.ts';
import { checkShape, isSummary } from './lineage.ts';
import { LogState } from './log-state.ts';
import type { VaultAccess } from './vault-access.ts';

/** History objects read at the same time. */
const AHEAD = 8;

/** Where reading a log begins: at its first slot, or behind all that a catalogue tells. */
export interface LogBase extends NewestCatalogue {
  /** Behind the covered slots. */
  readonly state: LogState;
  /** For the cuts that follow. */
  readonly assembler: CutAssembler;
  /** The first slot to read. */
  readonly next: number;
}

export interface BaseVisitor {
  /** Called first, where cuts were thinned. */
  onGenerations(summaries: readonly GenerationSummary[]): void;
  /** Called with every cut that is told, in order. `name` is the object that tells it; `isLoaded`: the generations already knew its epochs. */
  onCut(cut: AssembledCut, name: string, isLoaded: boolean): void;
  /** Called with every slot that cuts refer to. */
  onSlot?(sequence: number, tag: string): void;
}

/** Reads the catalogue and the cuts it tells. Errors: DAMAGED, VAULT_VERSION_UNSUPPORTED, STORE_UNAVAILABLE. */
export const readBase = async (vault: VaultAccess, machineId: string, visitor: BaseVisitor, withTimes = false): Promise<LogBase> => {
  const found = await newestCatalogue(vault, machineId, withTimes);
  if (found.newest === undefined) return { ...found, state: new LogState(), assembler: new CutAssembler(), next: 0 };
  const { catalogue } = found.newest;
  await readCuts(vault, machineId, catalogue, visitor);
  return {
    ...found,
    state: stateOf(catalogue),
    assembler: new CutAssembler(Number(catalogue.cuts)),
    next: Number(catalogue.covered),
  };
};

/** Reads the cuts that a catalogue tells. Errors: DAMAGED. */
export const readCuts = async (
  vault: VaultAccess,
  machineId: string,
  { history }: Pick<Catalogue, 'history'>,
  { onGenerations, onCut, onSlot }: BaseVisitor,
): Promise<void> => {
  const ahead: ReturnType<typeof readHistory>[] = [];
  let thinnedEnd = 0n;
  for (let fetched = 0, done = 0; done < history.length; done += 1) {
    for (; fetched < history.length && ahead.length < AHEAD; fetched += 1) {
      const object = readHistory(vault, machineId, history[fetched]!);
      object.catch(() => {});
      ahead.push(object);
    }
    const { name, records } = await ahead.shift()!;
    for (const { sequence, tag } of records.slots) onSlot?.(Number(sequence), Buffer.from(tag).toString('hex'));
    if (records.thinnedEnd > thinnedEnd) {
      if (done > 0) throw damaged(name, 'it tells of thinning, and is not the first to tell of cuts');
      if (!records.generations.every(isSummary)) throw damaged(name, 'what it tells of a generation is impossible');
      thinnedEnd = records.thinnedEnd;
      onGenerations(records.generations);
    }
    for (const placed of records.cuts) {
      const cut = assembledCut(placed, name);
      const isLoaded = placed.number < thinnedEnd;
      // The others are judged by whoever takes them in.
      if (isLoaded) requireShape(cut, machineId, name);
      onCut(cut, name, isLoaded);
    }
  }
};

const requireShape = ({ cut }: AssembledCut, machineId: string, name: string): void => {
  try {
    checkShape(cut, machineId);
  } catch (cause) {
    throw damaged(name, `a cut in it cannot be: ${cause instanceof Error ? cause.message : cause}`, cause);
  }
};
