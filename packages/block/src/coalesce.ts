/**
 * Turns many calls into few runs of `work`: a call resolves with a run that began after the call, and calls that wait for the same run
 * share it. Runs never overlap. A run that fails fails the calls that waited for it.
 */
export const coalesce = (work: () => Promise<void>): (() => Promise<void>) => {
  let current: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const start = (): Promise<void> => {
    next = undefined;
    current = work().finally(() => {
      current = undefined;
    });
    return current;
  };
  return () => {
    if (next !== undefined) return next;
    if (current === undefined) return start();
    next = current.then(start, start);
    return next;
  };
};
