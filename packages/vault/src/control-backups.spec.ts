import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import { newestControlBackups, pruneControlBackups, putControlBackup, readControlBackup } from './control-backups.ts';

const SITE = 'a'.repeat(32);
const OTHER = 'b'.repeat(32);

async function* pieces(...all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all;
}

const gather = async (content: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const all: Uint8Array[] = [];
  for await (const part of content) all.push(part);
  return Buffer.concat(all);
};

const namesIn = async (store: ObjectStore): Promise<string[]> => {
  const names: string[] = [];
  for await (const { name } of store.list('')) names.push(name);
  return names;
};

describe('backups under control/', () => {
  it('come back as they were put, the newest of each installation first', async () => {
    const store = createMemoryStore();
    const large = Buffer.alloc(9 * 1024 * 1024 + 5, 7);
    await putControlBackup(store, SITE, pieces(Buffer.from('old')), () => 1);
    await putControlBackup(store, OTHER, pieces(Buffer.from('another')), () => 2);
    const put = await putControlBackup(store, SITE, pieces(large.subarray(0, 100), large.subarray(100)), () => 3);
    expect(put).toMatchObject({ number: 2, parts: 3, bytes: large.length });
    const found = await newestControlBackups(store);
    expect(found.map(({ siteId, number }) => [siteId, number])).toEqual([
      [SITE, 2],
      [OTHER, 1],
    ]);
    expect((await gather(readControlBackup(store, found[0]!))).equals(large)).toBe(true);
    expect((await gather(readControlBackup(store, found[1]!))).toString()).toBe('another');
  });

  it('count only once they are whole; two at once get a number each', async () => {
    const store = createMemoryStore();
    await putControlBackup(store, SITE, pieces(Buffer.from('whole')));
    async function* broken() {
      yield Buffer.alloc(5 * 1024 * 1024);
      throw new Error('the source went away');
    }
    await expect(putControlBackup(store, SITE, broken())).rejects.toThrow('went away');
    expect(await newestControlBackups(store)).toMatchObject([{ number: 1 }]);
    const both = await Promise.all(['x', 'y'].map((text) => putControlBackup(store, SITE, pieces(Buffer.from(text)))));
    expect(new Set(both.map(({ number }) => number)).size).toBe(2);
    const texts = await Promise.all(both.map(async (backup) => (await gather(readControlBackup(store, backup))).toString()));
    expect(texts).toEqual(['x', 'y']);
  });

  it('are thinned to the newest, with what was left behind half', async () => {
    let time = 0;
    const store = createMemoryStore({ now: () => time });
    async function* broken() {
      yield Buffer.alloc(5 * 1024 * 1024);
      throw new Error('no');
    }
    await expect(putControlBackup(store, SITE, broken())).rejects.toThrow('no');
    time = 25 * 3_600_000;
    for (const text of ['1', '2', '3', '4']) await putControlBackup(store, SITE, pieces(Buffer.from(text)));
    await putControlBackup(store, OTHER, pieces(Buffer.from('kept')));
    expect(await pruneControlBackups(store, SITE, 2)).toBe(3);
    const left = (await namesIn(store)).filter((name) => name.includes(SITE));
    expect(left).toHaveLength(4);
    expect((await newestControlBackups(store)).map(({ number }) => number).toSorted()).toEqual([1, 5]);
    expect(await pruneControlBackups(store, SITE, 2)).toBe(0);
  });

  it('are not thinned while they are being put, however many others are whole meanwhile', async () => {
    const store = createMemoryStore();
    const go = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    async function* slow() {
      yield Buffer.alloc(5 * 1024 * 1024, 1);
      begun.resolve();
      await go.promise;
      yield Buffer.alloc(5 * 1024 * 1024, 2);
    }
    const putting = putControlBackup(store, SITE, slow());
    await begun.promise;
    for (const text of ['1', '2', '3']) await putControlBackup(store, SITE, pieces(Buffer.from(text)));
    await pruneControlBackups(store, SITE, 2);
    go.resolve();
    const backup = await putting;
    expect((await gather(readControlBackup(store, backup))).length).toBe(10 * 1024 * 1024);
  });

  it('that were changed are not taken for whole', async () => {
    const store = createMemoryStore();
    const backup = await putControlBackup(store, SITE, pieces(Buffer.from('text')));
    const part = (await namesIn(store)).find((name) => !name.endsWith('end'))!;
    await store.delete(part);
    await store.create(part, Buffer.from('tExt'));
    await expect(gather(readControlBackup(store, backup))).rejects.toMatchObject({ code: 'DAMAGED' });
  });
});
