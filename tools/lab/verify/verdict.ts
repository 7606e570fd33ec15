import { isHoldfastError } from '@holdfast/errors';

/** What one check of one point found. */
export interface Verdict {
  /** The check's name, a column of the table. */
  readonly check: string;
  readonly good: boolean;
  /** A few words for the table: what was seen when good, the first fault when not. */
  readonly says: string;
  /** What is wrong, the first few in words; empty when good. */
  readonly faults: readonly string[];
}

/** Collects faults; a broken disk has thousands, a person reads the first. */
export interface Faults {
  add(fault: string): void;
  readonly count: number;
  verdict(check: string, says: string): Verdict;
}

const WORTH_READING = 8;

export const createFaults = (): Faults => {
  const first: string[] = [];
  let count = 0;
  return {
    add: (fault) => {
      count += 1;
      if (first.length < WORTH_READING) first.push(fault);
    },
    get count() {
      return count;
    },
    verdict: (check, says) => {
      if (count === 0) return { check, good: true, says, faults: [] };
      const faults = count > first.length ? [...first, `and ${count - first.length} more`] : first;
      return { check, good: false, says: first[0]!, faults };
    },
  };
};

const wordsOf = (reason: unknown): string => {
  if (isHoldfastError(reason)) return `${reason.thing}: ${reason.why}`;
  return reason instanceof Error ? reason.message : String(reason);
};

/** Runs a check; what it throws (an unreadable file, a database that cannot be opened) is its finding. */
export const judge = async (check: string, look: () => Verdict | Promise<Verdict>): Promise<Verdict> => {
  try {
    return await look();
  } catch (reason) {
    const says = wordsOf(reason);
    return { check, good: false, says, faults: [says] };
  }
};
