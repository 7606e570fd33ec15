/** A bound on what a row is judged by: its ratio where it is compared with something, else its value. */
export type Bound = { readonly atLeast: number } | { readonly atMost: number };

/** One measured number, in the shape of `npm run bench -- NAME --output json`. */
export interface Row {
  readonly measure: string;
  /** Median of our side. */
  readonly value: number;
  readonly unit: string;
  /** What the same was measured with on the same machine, in turns; null when there is no such thing. */
  readonly against: string | null;
  /** Median over the pairs of ours / theirs. */
  readonly ratio: number | null;
  /** Least and greatest of what is judged: the ratios where there are pairs, else the values. */
  readonly spread: readonly [number, number];
  /** The floor asked for, such as `>= 0.93`. */
  readonly goal: string | null;
  /** What we are after. */
  readonly stretch: string | null;
  readonly met: 'stretch' | 'goal' | 'missed' | null;
}

/** What a row is judged by, as far as anything was promised. */
export interface Promised {
  readonly goal?: Bound;
  readonly stretch?: Bound;
}

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[middle]];
  if (low === undefined || high === undefined) throw new RangeError('the median of nothing');
  return (low + high) / 2;
};

const holds = (bound: Bound, value: number): boolean => ('atLeast' in bound ? value >= bound.atLeast : value <= bound.atMost);

const words = (bound: Bound | undefined): string | null => {
  if (bound === undefined) return null;
  return 'atLeast' in bound ? `>= ${bound.atLeast}` : `<= ${bound.atMost}`;
};

const verdict = (value: number, { goal, stretch }: Promised): Row['met'] => {
  if (stretch !== undefined && holds(stretch, value)) return 'stretch';
  if (goal === undefined) return null;
  return holds(goal, value) ? 'goal' : 'missed';
};

/** A row from the samples of our side and, where there is one, of the other: `theirs[i]` was measured right beside `ours[i]`. */
export const createRow = (
  { measure, unit }: Pick<Row, 'measure' | 'unit'>,
  ours: readonly number[],
  other: { readonly name: string; readonly samples: readonly number[] } | undefined,
  promised: Promised = {},
): Row => {
  const ratios = other?.samples.map((theirs, index) => ours[index]! / theirs);
  const judged = ratios ?? ours;
  return {
    measure,
    value: median(ours),
    unit,
    against: other?.name ?? null,
    ratio: ratios === undefined ? null : median(ratios),
    spread: [Math.min(...judged), Math.max(...judged)],
    goal: words(promised.goal),
    stretch: words(promised.stretch),
    met: verdict(median(judged), promised),
  };
};
