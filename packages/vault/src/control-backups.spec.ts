import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import { listControlBackups, newestControlBackups, pruneControlBackups, putControlBackup, readControlBackup } from './control-backups.ts';

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
    const own = new Set<number>();
    for (const text of ['1', '2', '3', '4']) own.add((await putControlBackup(store, SITE, pieces(Buffer.from(text)))).number);
    await putControlBackup(store, OTHER, pieces(Buffer.from('kept')));
    expect(await pruneControlBackups(store, SITE, { keep: 2, own })).toBe(3);
    const left = (await namesIn(store)).filter((name) => name.includes(SITE));
    expect(left).toHaveLength(4);
    expect((await newestControlBackups(store)).map(({ number }) => number).toSorted()).toEqual([1, 5]);
    expect(await pruneControlBackups(store, SITE, { keep: 2, own })).toBe(0);
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
    const own = new Set<number>();
    for (const text of ['1', '2', '3']) own.add((await putControlBackup(store, SITE, pieces(Buffer.from(text)))).number);
    expect(await pruneControlBackups(store, SITE, { keep: 2, own })).toBe(1);
    go.resolve();
    const backup = await putting;
    expect((await gather(readControlBackup(store, backup))).length).toBe(10 * 1024 * 1024);
  });

  it('are not crowded out by what others put: true ones of a month are there, and go on being put', async () => {
    const DAY = 24 * 3_600_000;
    let time = 0;
    const store = createMemoryStore({ now: () => time });
    const put = async (text: string) => (await putControlBackup(store, SITE, pieces(Buffer.from(text)))).number;
    const theirs = [await put('true 1'), await put('true 2')];
    // Whoever may create objects, up to the last number there is.
    for (let number = 3; number < 40; number += 1) await put('false');
    const last = `control/backups/${SITE}/000000000000`;
    await store.create(`${last}/000000000000`, Buffer.from('x'));
    await store.create(`${last}/end`, Buffer.from(JSON.stringify({ parts: 1, bytes: 1, sha256: '', put: 0 })));
    const own = new Set<number>();
    for (let day = 0; day < 29; day += 1) {
      time += DAY;
      own.add(await put(`day ${day}`));
      await pruneControlBackups(store, SITE, { keep: 2, own });
    }
    expect(Math.max(...own)).toBe(39 + 29);
    const whole = async () => (await namesIn(store)).filter((name) => name.endsWith('/end')).length;
    expect(await whole()).toBe(2 + 37 + 1 + 2);
    for (const number of theirs) await store.stat(`control/backups/${SITE}/${String(10 ** 12 - 1 - number).padStart(12, '0')}/end`);
    // Whoever restores is told of the true ones, though the newest number is false.
    expect((await newestControlBackups(store))[0]!.number).toBe(10 ** 12 - 1);
    const named = (await listControlBackups(store, SITE)).map(({ number }) => number);
    expect(named).toHaveLength(4 + 2);
    expect(named.slice(0, 2)).toEqual([...own].slice(-2).toReversed());
    expect(named).toEqual(expect.arrayContaining(theirs));
    // A month later what was false is gone with what was old.
    time += 2 * DAY;
    own.add(await put('day 31'));
    await pruneControlBackups(store, SITE, { keep: 2, own });
    expect(await whole()).toBe(1 + 2);
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
