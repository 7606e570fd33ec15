/** Lets at most `limit` through at once, in the order they came. */
export interface Gate {
  enter(): Promise<void>;
  leave(): void;
}

export const createGate = (limit: number): Gate => {
  const waiting: (() => void)[] = [];
  let inside = 0;
  return {
    enter: async () => {
      if (inside < limit) inside += 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
    },
    leave: () => {
      const next = waiting.shift();
      if (next === undefined) inside -= 1;
      else next();
    },
  };
};
