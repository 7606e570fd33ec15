import { HoldfastError } from '@holdfast/errors';

/** Waiting times that double: up to `first` milliseconds after the first failure, never more than `most`. */
export interface Backoff {
  readonly first: number;
  readonly most: number;
}

/**
 * Milliseconds to wait after the `failures`-th failure in a row. Between half and all of the doubled time, so that those who failed together do
 * not come back together; at least as long as the store asked for.
 */
export const waitingTime = ({ first, most }: Backoff, failures: number, reason: unknown, random: () => number): number => {
  const longest = Math.min(most, first * 2 ** (failures - 1));
  const jitter = (longest / 2) * random();
  const asked = retryAfterOf(reason);
  return asked === undefined ? longest / 2 + jitter : asked + jitter;
};

/** A store that was told to come back later says so in `retryAfterMs` of the error's cause. */
const retryAfterOf = (reason: unknown): number | undefined => {
  if (!(reason instanceof HoldfastError)) return undefined;
  const asked = (reason.cause as { readonly retryAfterMs?: unknown } | undefined)?.retryAfterMs;
  return typeof asked === 'number' ? asked : undefined;
};
