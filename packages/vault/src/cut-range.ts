/** Cuts `from` to `to`, both included. */
export interface CutRange {
  readonly from: number;
  readonly to: number;
}

/** True when the cut is in one of the ranges. */
export const isOnPath = (path: readonly CutRange[], cut: number): boolean => path.some(({ from, to }) => from <= cut && cut <= to);
