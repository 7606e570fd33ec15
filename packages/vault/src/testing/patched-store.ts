// A store in which one object reads as something else.
import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';

export const withPatched = async (store: ObjectStore, name: string, content: Uint8Array): Promise<ObjectStore> => {
  const patch = createMemoryStore();
  await patch.create(name, content);
  const storeOf = (asked: string): ObjectStore => (asked === name ? patch : store);
  return {
    url: store.url,
    create: (asked, bytes) => store.create(asked, bytes),
    read: (asked, range) => storeOf(asked).read(asked, range),
    stat: (asked) => storeOf(asked).stat(asked),
    list: (prefix, options) => store.list(prefix, options),
    delete: (asked) => store.delete(asked),
    close: async () => {},
  };
};
