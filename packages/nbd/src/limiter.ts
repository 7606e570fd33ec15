/** Runs so many pieces of work at once and makes the others wait in order. */
export type Limiter = <T>(work: () => Promise<T>) => Promise<T>;

export const createLimiter = (limit: number): Limiter => {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running < limit) running += 1;
    // Whoever ends hands its place on, so `running` stays.
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
};
