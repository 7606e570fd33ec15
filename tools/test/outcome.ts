/** What became of one test or one check. */
export interface Outcome {
  /** The project or the kind of check it belongs to. */
  readonly of: string;
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'skipped';
  /** Why it failed or was skipped. */
  readonly why?: string;
  /** True when the result is that of an earlier run with the same inputs. */
  readonly cached?: boolean;
}

/** A part of the run, timed. */
export interface Stage {
  readonly name: string;
  readonly seconds: number;
  readonly outcomes: readonly Outcome[];
}

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const tally = (outcomes: readonly Outcome[]): Tally => {
  const count = (status: Outcome['status']) => outcomes.filter((outcome) => outcome.status === status).length;
  return { passed: count('passed'), failed: count('failed'), skipped: count('skipped') };
};

/** A check that counts as one; `why` says what is wrong, undefined that nothing is. */
export const checked = (name: string, why: string | undefined): Outcome =>
  why === undefined ? { of: 'checks', name, status: 'passed' } : { of: 'checks', name, status: 'failed', why };
