// A store in which one object reads as something else.
import { createMemoryStore, forwardStore, type ObjectStore } from '@holdfast/object-store';

export const withPatched = async (store: ObjectStore, name: string, content: Uint8Array): Promise<ObjectStore> => {
  const patch = createMemoryStore();
  await patch.create(name, content);
  const storeOf = (asked: string): ObjectStore => (asked === name ? patch : store);
  return {
    ...forwardStore(store),
    read: (asked, range) => storeOf(asked).read(asked, range),
    stat: (asked) => storeOf(asked).stat(asked),
    close: async () => {},
  };
};
