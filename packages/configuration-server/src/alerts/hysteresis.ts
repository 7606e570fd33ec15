import { type Condition, TOLD_ELSEWHERE } from './conditions.ts';

type Identified = Condition & { readonly id: string };

/** What follows a decision at once, in both directions: it does not waver. */
const EXACT: ReadonlySet<string> = new Set([...TOLD_ELSEWHERE, 'restored-unconfirmed']);

interface Seen<T> {
  readonly condition: T;
  /** When it was found last, and when it was critical last. */
  readonly at: number;
  readonly criticalAt: number;
}

/**
 * Conditions begin and grow at once, and end or lessen only once they have not been found, or not so grave, for `calm` milliseconds: a value around
 * its threshold is one alert, not one every few seconds. `now` gives milliseconds.
 */
export const createHysteresis = <T extends Identified>(calm: number, now: () => number): ((found: readonly T[]) => T[]) => {
  let seen = new Map<string, Seen<T>>();
  return (found) => {
    const at = now();
    const next = new Map<string, Seen<T>>();
    for (const condition of found) {
      const before = seen.get(condition.id);
      const criticalAt = condition.severity === 'critical' ? at : (before?.criticalAt ?? Number.NEGATIVE_INFINITY);
      next.set(condition.id, { condition, at, criticalAt });
    }
    for (const [id, one] of seen) if (!next.has(id) && !EXACT.has(one.condition.code) && at - one.at < calm) next.set(id, one);
    seen = next;
    return [...next.values()].map(({ condition, criticalAt }) =>
      condition.severity !== 'critical' && !EXACT.has(condition.code) && at - criticalAt < calm
        ? { ...condition, severity: 'critical' }
        : condition,
    );
  };
};
