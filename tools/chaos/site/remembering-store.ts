import { forwardStore, type ObjectStore } from '@holdfast/object-store';

/**
 * A store that is read again and again, though what it holds never changes: whole objects stay in memory, the least used go beyond so many bytes. Only for
 * comparing points, which rests on what the objects say; whether they still say so is asked elsewhere.
 */
export const withMemory = (store: ObjectStore, bytes: number): ObjectStore => {
  const known = new Map<string, Uint8Array>();
  let held = 0;
  const whole = async (name: string): Promise<Uint8Array> => {
    const content = known.get(name) ?? (await store.read(name));
    if (known.delete(name)) held -= content.length;
    known.set(name, content);
    held += content.length;
    for (const [oldest, { length }] of known) {
      if (held <= bytes) break;
      known.delete(oldest);
      held -= length;
    }
    return content;
  };
  return {
    ...forwardStore(store),
    async read(name, range) {
      const content = await whole(name);
      if (range === undefined) return content;
      const from = range.offset < 0 ? Math.max(0, content.length + range.offset) : range.offset;
      return content.subarray(from, range.length === undefined ? undefined : from + range.length);
    },
    close: async () => undefined,
  };
};
