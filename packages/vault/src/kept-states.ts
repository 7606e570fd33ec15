import type { GenerationHistory, MachineHistory } from './history.ts';
import type { StateOf } from './sweep.ts';

/**
 * The states of a disk that can be seen, by the numbers of their cuts: all epochs that are told. A version of some bytes belongs to the first of them in
 * its generation that is not older than itself.
 */
export const keptStates = ({ generations }: Pick<MachineHistory, 'generations'>, diskId: string): StateOf => {
  const ofDisk: GenerationHistory[] = [...generations.values()].filter((generation) => generation.diskId === diskId);
  // The cuts of a disk's generations follow one another: one ends where the next begins.
  const begins = ofDisk.map(({ firstCut }) => firstCut);
  const states = ofDisk.map(({ epochs }) => Float64Array.from(epochs, ({ cut }) => cut));
  return (cut) => {
    const generation = lastAtMost(begins, cut);
    return generation < 0 ? undefined : states[generation]![lastAtMost(states[generation]!, cut - 1) + 1];
  };
};

/** The place of the last value that is not above `limit`, -1 when there is none. */
const lastAtMost = (values: ArrayLike<number>, limit: number): number => {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! <= limit) low = middle + 1;
    else high = middle;
  }
  return low - 1;
};
