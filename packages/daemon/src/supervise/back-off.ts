/** How long to wait before a program that ended is started again. */
export interface BackOffOptions {
  /** Milliseconds before the first restart; doubled with each that follows. */
  readonly first: number;
  readonly longest: number;
  /** A program that ran this long begins with `first` again. */
  readonly forget: number;
}

export interface BackOff {
  /** The wait before the next start of a program that ran for `ran` milliseconds. */
  next(ran: number): number;
}

export const createBackOff = ({ first, longest, forget }: BackOffOptions): BackOff => {
  let wait = first;
  return {
    next(ran) {
      if (ran >= forget) wait = first;
      const now = wait;
      wait = Math.min(longest, wait * 2);
      return now;
    },
  };
};
