import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import { putControlAddresses, readControlAddresses } from './control-addresses.ts';

const [ONE, OTHER] = ['a'.repeat(64), 'b'.repeat(64)] as const;

const put = (store: ObjectStore, authority: string, text: string) => putControlAddresses(store, { authority, content: Buffer.from(text) });

const read = async (store: ObjectStore) =>
  (await readControlAddresses(store)).map(({ authority, content }) => [authority, Buffer.from(content).toString()]);

describe('where configuration servers are reached, under control/', () => {
  it('is what each authority said last, and is filed once', async () => {
    const store = createMemoryStore();
    expect(await read(store)).toEqual([]);
    expect(await put(store, ONE, 'here')).toBe(true);
    expect(await put(store, ONE, 'here')).toBe(false);
    expect(await put(store, OTHER, 'elsewhere')).toBe(true);
    expect(await put(store, ONE, 'there')).toBe(true);
    // Back at the place before: that is news again.
    expect(await put(store, ONE, 'here')).toBe(true);
    expect(await read(store)).toEqual([
      [ONE, 'here'],
      [OTHER, 'elsewhere'],
    ]);
  });

  it('is filed by all of several who do so at once', async () => {
    const store = createMemoryStore();
    await Promise.all(['x', 'y', 'z'].map((text) => put(store, ONE, text)));
    const names: string[] = [];
    for await (const { name } of store.list('')) names.push(name);
    expect(names).toHaveLength(3);
  });

  it('does not mind other objects there, and reads no more than it may be large', async () => {
    const store = createMemoryStore();
    await store.create('control/addresses/x', Buffer.from('no'));
    await store.create(`control/addresses/${ONE}/12`, Buffer.from('no'));
    await put(store, ONE, 'y'.repeat(100_000));
    expect((await read(store))[0]?.[1]).toHaveLength(4096);
  });
});
