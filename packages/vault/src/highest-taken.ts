/**
 * The highest of numbers that are taken 1, 2, 3 … without gaps, 0 when none is: in a few looks, however many there are.
 */
export const highestTaken = async (isTaken: (number: number) => Promise<boolean>): Promise<number> => {
  let taken = 0;
  let step = 1;
  while (await isTaken(taken + step)) {
    taken += step;
    step *= 2;
  }
  while (step > 1) {
    step /= 2;
    if (await isTaken(taken + step)) taken += step;
  }
  return taken;
};
