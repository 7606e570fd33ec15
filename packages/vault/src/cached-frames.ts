import { isHoldfastError } from '@holdfast/errors';
import type { FrameCache } from './frame-cache.ts';
import type { FrameStore } from './frame-reader.ts';

/**
 * What reads frames out of a cache, and out of an object where the cache has none or a damaged one. Names of objects are never used again, so that vault,
 * name and number say which frame it is.
 */
export const throughCache = (cache: FrameCache, vaultId: string): ((store: FrameStore) => FrameStore) => {
  const fromCache = new WeakSet<Uint8Array>();
  return (store) => {
    const keyOf = (frame: number): string => `${vaultId} ${store.name} ${frame}`;
    const fetch = async (first: number, count: number): Promise<Uint8Array[]> => {
      const fetched = await store.readSealed(first, count);
      for (const [i, sealed] of fetched.entries()) cache.keep(keyOf(first + i), sealed);
      return fetched;
    };
    const readSealed = async (first: number, count: number): Promise<Uint8Array[]> => {
      const cached = await Promise.all(Array.from({ length: count }, (_, i) => cache.read(keyOf(first + i))));
      for (const sealed of cached) if (sealed !== undefined) fromCache.add(sealed);
      const missing = cached.indexOf(undefined);
      if (missing < 0) return cached as Uint8Array[];
      // One request for all that is missing and what lies between.
      const last = cached.lastIndexOf(undefined);
      const fetched = await fetch(first + missing, last - missing + 1);
      return cached.map((sealed, i) => sealed ?? fetched[i - missing]!);
    };
    return {
      ...store,
      readSealed,
      decode: async (frame, sealed, alone) => {
        try {
          return await store.decode(frame, sealed, alone);
        } catch (reason) {
          if (!isHoldfastError(reason, 'DAMAGED') || !fromCache.has(sealed)) throw reason;
          cache.drop(keyOf(frame));
          return store.decode(frame, (await fetch(frame, 1))[0]!, alone);
        }
      },
    };
  };
};
