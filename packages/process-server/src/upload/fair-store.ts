import { forwardStore, type ObjectStore } from '@holdfast/object-store';

/** Lets so many requests through at a time; who waits is served in turn, one of each owner. */
export interface FairGate {
  pass<T>(owner: string, request: () => Promise<T>): Promise<T>;
}

export const createFairGate = (most: number): FairGate => {
  /** Those waiting, by owner, in the order of their next turn. */
  const waiting = new Map<string, (() => void)[]>();
  let running = 0;

  const next = (): void => {
    const [turn] = waiting;
    if (turn === undefined || running >= most) return;
    const [owner, queue] = turn;
    waiting.delete(owner);
    const go = queue.shift()!;
    // To the end of the line with the rest.
    if (queue.length > 0) waiting.set(owner, queue);
    running += 1;
    go();
  };

  return {
    async pass(owner, request) {
      await new Promise<void>((resolve) => {
        const queue = waiting.get(owner);
        if (queue === undefined) waiting.set(owner, [resolve]);
        else queue.push(resolve);
        next();
      });
      try {
        return await request();
      } finally {
        running -= 1;
        next();
      }
    },
  };
};

/** The machine an object belongs to: the names of its log begin with `m/<id>/`. */
const ownerOf = (name: string): string => (name.startsWith('m/') ? name.slice(2, 34) : '');

/** The same store, whose creates go through the gate, so that one machine with much to write does not hold up the others. */
export const withFairness = (store: ObjectStore, gate: FairGate): ObjectStore => ({
  ...forwardStore(store),
  create: (name, content) => gate.pass(ownerOf(name), () => store.create(name, content)),
});
