import { setTimeout as sleep } from 'node:timers/promises';
import type { Rate } from '@holdfast/daemon';
import { forwardStore, type ObjectStore } from '@holdfast/object-store';

/** The same store, whose creates leave below a rate, first come first served. An object goes whole: over less than a few of them it is not steady. */
export const withRate = (store: ObjectStore, rate: Rate): ObjectStore => {
  let turn: Promise<void> = Promise.resolve();
  const pass = async (bytes: number): Promise<void> => {
    // Nobody waits for the end of a program because of this.
    for (let wait = rate.wait(); wait > 0; wait = rate.wait()) await sleep(wait, undefined, { ref: false });
    rate.spend(bytes);
  };
  return {
    ...forwardStore(store),
    async create(name, content) {
      turn = turn.then(() => pass(content.length));
      await turn;
      return store.create(name, content);
    },
  };
};
