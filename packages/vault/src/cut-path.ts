import { type EpochRef, idText } from '@holdfast/protocol';
import type { CutRange } from './cut-range.ts';
import { damaged } from './damage.ts';
import type { EpochEntry, GenerationHistory } from './history.ts';

/** What a disk's state is made of. */
export interface DiskPath {
  /** The cuts whose changes of the disk apply, ascending: for each generation on the way the cuts of its epochs. */
  readonly cuts: readonly CutRange[];
  /** The epochs that are told, oldest first. */
  readonly entries: readonly EpochEntry[];
}

/** The path to a state: through parents, and open pieces like any other. */
export const pathTo = (generations: ReadonlyMap<string, GenerationHistory>, ref: EpochRef): DiskPath => {
  const cuts: CutRange[] = [];
  const entries: EpochEntry[][] = [];
  const seen = new Set<GenerationHistory>();
  for (let at: EpochRef | undefined = ref; at !== undefined; ) {
    const id = idText(at.generationId);
    const generation = generations.get(id);
    if (generation === undefined) throw damaged(`generation ${id}`, 'it was thinned, and what goes on from it cannot be read');
    if (seen.has(generation)) throw damaged(`generation ${id}`, 'it is told to begin on what itself came to');
    seen.add(generation);
    const last = entryOf(generation, Number(at.number));
    if (last === undefined)
      throw damaged(`epoch ${at.number} of generation ${generation.id}`, 'it was thinned, and what goes on from it cannot be read');
    cuts.push({ from: generation.firstCut, to: last.cut });
    entries.push(generation.epochs.slice(0, generation.epochs.indexOf(last) + 1));
    at = generation.generation.parent;
  }
  return { cuts: cuts.reverse(), entries: entries.reverse().flat() };
};

/** The entry of an epoch by its number; `undefined` when it is not told. */
export const entryOf = ({ epochs }: Pick<GenerationHistory, 'epochs'>, number: number): EpochEntry | undefined => {
  // Without thinning the number is the place.
  const guess = epochs[number];
  if (guess !== undefined && Number(guess.epoch.number) === number) return guess;
  return epochs.find(({ epoch }) => Number(epoch.number) === number);
};
