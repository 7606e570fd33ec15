import { createMemoryStore } from '@holdfast/object-store';
import { withMemory } from './remembering-store.ts';

describe('a store that remembers', () => {
  it('gives what the store gives, for every range', async () => {
    const store = createMemoryStore();
    await store.create('a', Buffer.from('0123456789'));
    const remembering = withMemory(store, 100);
    for (const range of [
      undefined,
      { offset: 0 },
      { offset: 3 },
      { offset: 3, length: 2 },
      { offset: 8, length: 9 },
      { offset: -4 },
      { offset: -4, length: 2 },
    ])
      expect(Buffer.from(await remembering.read('a', range)).toString()).toBe(Buffer.from(await store.read('a', range)).toString());
    await expect(remembering.read('b')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
  });

  it('asks for an object once, until there is no room for it', async () => {
    const store = createMemoryStore();
    let reads = 0;
    const remembering = withMemory({ ...store, read: (name, range) => store.read(name, range).finally(() => (reads += 1)) }, 25);
    for (const name of ['a', 'b', 'c']) await store.create(name, Buffer.alloc(10));
    for (const name of ['a', 'b', 'a', 'b', 'a']) await remembering.read(name);
    expect(reads).toBe(2);
    await remembering.read('c');
    await remembering.read('a');
    expect(reads).toBe(3);
    await remembering.read('b');
    expect(reads).toBe(4);
  });
});
