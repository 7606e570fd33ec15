import { HoldfastError } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';

/** The same store, until `end` is called: then nothing reaches it any more, whoever has it still. Requests reject with STORE_UNAVAILABLE. */
export const endableStore = (store: ObjectStore): { readonly store: ObjectStore; end(): void } => {
  let ended = false;
  const refuse = (): HoldfastError =>
    new HoldfastError('STORE_UNAVAILABLE', {
      thing: store.url,
      why: 'something else is where the vault was when it was opened',
      remedy: 'it is opened anew by itself; see `holdfast vault list` for what is there',
    });
  const nothing: AsyncIterable<never> = { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(refuse()) }) };
  return {
    store: new Proxy(store, {
      get(target, name) {
        const part: unknown = Reflect.get(target, name, target);
        if (typeof part !== 'function') return part;
        return (...values: unknown[]): unknown => {
          if (!ended || name === 'close') return part.apply(target, values);
          return name === 'list' ? nothing : Promise.reject(refuse());
        };
      },
    }),
    end() {
      ended = true;
    },
  };
};
