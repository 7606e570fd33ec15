import type { ObjectStore } from './object-store.ts';

/**
 * A store that hands every request on: what a decorator begins with, to change some. What a store may lack (`setTier`, `lockUntil`, `time`) stays
 * lacking, and what it has is not lost on the way.
 */
export const forwardStore = (store: ObjectStore): ObjectStore => ({
  url: store.url,
  create: (name, content) => store.create(name, content),
  read: (name, range) => store.read(name, range),
  stat: (name) => store.stat(name),
  list: (prefix, options) => store.list(prefix, options),
  delete: (name) => store.delete(name),
  ...(store.setTier && { setTier: store.setTier.bind(store) }),
  ...(store.lockUntil && { lockUntil: store.lockUntil.bind(store) }),
  ...(store.time && { time: store.time.bind(store) }),
  close: () => store.close(),
});
