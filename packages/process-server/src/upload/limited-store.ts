import { setTimeout as sleep } from 'node:timers/promises';
import type { Rate } from '@holdfast/daemon';
import type { ObjectStore } from '@holdfast/object-store';

/** The same store, whose creates leave below a rate, first come first served. An object goes whole: over less than a few of them it is not steady. */
export const withRate = (store: ObjectStore, rate: Rate): ObjectStore => {
  let turn: Promise<void> = Promise.resolve();
  const pass = async (bytes: number): Promise<void> => {
    // Nobody waits for the end of a program because of this.
    for (let wait = rate.wait(); wait > 0; wait = rate.wait()) await sleep(wait, undefined, { ref: false });
    rate.spend(bytes);
  };
  return {
    url: store.url,
    async create(name, content) {
      turn = turn.then(() => pass(content.length));
      await turn;
      return store.create(name, content);
    },
    read: (name, range) => store.read(name, range),
    stat: (name) => store.stat(name),
    list: (prefix, options) => store.list(prefix, options),
    delete: (name) => store.delete(name),
    ...(store.setTier && { setTier: store.setTier.bind(store) }),
    ...(store.lockUntil && { lockUntil: store.lockUntil.bind(store) }),
    ...(store.time && { time: store.time.bind(store) }),
    close: () => store.close(),
  };
};
