import type { Verdict } from './verdict.ts';

/** A recovery point and what the checks found. */
export interface CheckedPoint {
  readonly id: string;
  /** Milliseconds since 1970 by the source's clock. */
  readonly time: number;
  /** How it was chosen: `newest`, `random`. */
  readonly chosen: string;
  readonly good: boolean;
  /** By check, in the order of the columns. */
  readonly verdicts: readonly Verdict[];
}
