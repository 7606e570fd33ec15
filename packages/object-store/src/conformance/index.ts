import { HoldfastError } from '@holdfast/errors';
import type { ObjectInfo, ObjectStore } from '../object-store.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const names = async (list: AsyncIterable<ObjectInfo>): Promise<string[]> => {
  const found: string[] = [];
  for await (const { name } of list) found.push(name);
  return found;
};
const codeOf = (answer: Promise<unknown>): Promise<string> =>
  answer.then(
    () => 'no error',
    (reason: unknown) => (reason instanceof HoldfastError ? reason.code : String(reason)),
  );

/**
 * What every object store has to pass, as jest tests. `open` gives a fresh, empty store for each test; `reopen` a second one over the same
 * objects, where the kind of store has such a thing.
 */
export const describeObjectStore = (
  kind: string,
  { open, reopen }: { readonly open: () => Promise<ObjectStore>; readonly reopen?: (store: ObjectStore) => Promise<ObjectStore> },
): void => {
  describe(`${kind} as an object store`, () => {
    let store: ObjectStore;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store.close());

    it('gives back what was created', async () => {
      await store.create('a/b/c', bytes('content'));
      await store.create('a/empty', bytes(''));
      expect(Buffer.from(await store.read('a/b/c')).toString()).toBe('content');
      expect((await store.read('a/empty')).length).toBe(0);
    });

    it('keeps its own copy of the content', async () => {
      const content = Buffer.from('before');
      await store.create('object', content);
      content.write('AFTER!');
      const read = await store.read('object');
      expect(Buffer.from(read).toString()).toBe('before');
      read.fill(0);
      expect(Buffer.from(await store.read('object')).toString()).toBe('before');
    });

    it('never overwrites', async () => {
      await store.create('object', bytes('first'));
      expect(await codeOf(store.create('object', bytes('second')))).toBe('OBJECT_EXISTS');
      expect(await codeOf(store.create('object', bytes('first')))).toBe('OBJECT_EXISTS');
      expect(Buffer.from(await store.read('object')).toString()).toBe('first');
    });

    it('lets exactly one of 1,000 racing creators win, and readers see a whole object or none', async () => {
      const size = 64 * 1024;
      const wins: number[] = [];
      const race = async (racer: number): Promise<void> => {
        const code = await codeOf(store.create('race', Buffer.alloc(size, racer % 256)));
        if (code === 'no error') wins.push(racer);
        else expect(code).toBe('OBJECT_EXISTS');
      };
      let racing = true;
      const watch = async (): Promise<void> => {
        while (racing) {
          const seen = await store.read('race').catch((reason: HoldfastError) => reason);
          if (seen instanceof HoldfastError) expect(seen.code).toBe('OBJECT_NOT_FOUND');
          else expect(Buffer.compare(seen, Buffer.alloc(size, seen[0]))).toBe(0);
          await new Promise(setImmediate);
        }
      };
      const watching = watch();
      await Promise.all(Array.from({ length: 1000 }, (_, racer) => race(racer)));
      racing = false;
      await watching;
      expect(wins).toHaveLength(1);
      expect((await store.read('race'))[0]).toBe(wins[0]! % 256);
    });

    it('reads ranges', async () => {
      await store.create('object', bytes('0123456789'));
      const range = async (offset: number, length?: number): Promise<string> =>
        Buffer.from(await store.read('object', length === undefined ? { offset } : { offset, length })).toString();
      expect(await range(0)).toBe('0123456789');
      expect(await range(3)).toBe('3456789');
      expect(await range(3, 4)).toBe('3456');
      expect(await range(3, 0)).toBe('');
      expect(await range(8, 100)).toBe('89');
      expect(await range(10, 1)).toBe('');
      expect(await range(1000, 1)).toBe('');
      expect(await range(-3)).toBe('789');
      expect(await range(-3, 2)).toBe('78');
      expect(await range(-100)).toBe('0123456789');
      expect(await range(-100, 2)).toBe('01');
    });

    it('refuses ranges that cannot be', async () => {
      await store.create('object', bytes('0123456789'));
      for (const range of [{ offset: 0.5 }, { offset: Number.NaN }, { offset: 0, length: -1 }, { offset: 0, length: 2 ** 60 }])
        expect(await codeOf(store.read('object', range))).toBe('SETTING_INVALID');
    });

    it('tells size and time of an object', async () => {
      await store.create('object', bytes('0123456789'));
      const { name, size, created } = await store.stat('object');
      expect({ name, size }).toEqual({ name: 'object', size: 10 });
      expect(Number.isInteger(created)).toBe(true);
      expect(Math.abs(created - Date.now())).toBeLessThan(24 * 3600 * 1000);
    });

    it('says so when there is no such object', async () => {
      await store.create('a/b', bytes('x'));
      for (const name of ['b', 'a/c', 'a', 'a/b/c']) {
        expect(await codeOf(store.read(name))).toBe('OBJECT_NOT_FOUND');
        expect(await codeOf(store.read(name, { offset: -1 }))).toBe('OBJECT_NOT_FOUND');
        expect(await codeOf(store.stat(name))).toBe('OBJECT_NOT_FOUND');
      }
    });

    it('lists by name in ascending order', async () => {
      const created = ['a', 'a-1', 'a.1', 'a0', 'b/1', 'b/10', 'b/2', 'b-1', 'b.1', 'b0', 'B', '_', '-', 'b/c/d/e', 'b/c-d'].sort();
      for (const name of created) await store.create(name, bytes(name));
      expect(await names(store.list(''))).toEqual(created);
      expect(await names(store.list('b'))).toEqual(created.filter((name) => name.startsWith('b')));
      expect(await names(store.list('b/'))).toEqual(['b/1', 'b/10', 'b/2', 'b/c-d', 'b/c/d/e']);
      expect(await names(store.list('b/1'))).toEqual(['b/1', 'b/10']);
      expect(await names(store.list('b/c/d/e'))).toEqual(['b/c/d/e']);
      expect(await names(store.list('nothing'))).toEqual([]);
      for (const after of [...created, 'b/', 'b/c', 'b/c/', 'zzz', '0'])
        expect(await names(store.list('', { after }))).toEqual(created.filter((name) => name > after));
      expect(await names(store.list('b/', { after: 'b/10' }))).toEqual(['b/2', 'b/c-d', 'b/c/d/e']);
      for await (const info of store.list('b/10')) expect(info).toEqual(await store.stat('b/10'));
    });

    it('lists an empty store, and lets a list be left early', async () => {
      expect(await names(store.list(''))).toEqual([]);
      for (let index = 0; index < 10; index += 1) await store.create(`n/${index}`, bytes('x'));
      for await (const { name } of store.list('n/')) {
        expect(name).toBe('n/0');
        break;
      }
    });

    it('deletes, also what is not there', async () => {
      await store.create('a/b', bytes('x'));
      await store.create('a/c', bytes('y'));
      await store.delete('a/b');
      await store.delete('a/b');
      await store.delete('x/y/z');
      expect(await codeOf(store.read('a/b'))).toBe('OBJECT_NOT_FOUND');
      expect(await names(store.list(''))).toEqual(['a/c']);
    });

    it('refuses names that cannot be', async () => {
      const bad = [
        '',
        '/',
        '/a',
        'a/',
        'a//b',
        '.',
        '..',
        'a/../b',
        './a',
        '.hidden',
        'a/.b',
        'a b',
        'ä',
        'a\\b',
        'a\0',
        'a:b',
        'x'.repeat(513),
      ];
      for (const name of bad) {
        expect(await codeOf(store.create(name, bytes('x')))).toBe('SETTING_INVALID');
        expect(await codeOf(store.read(name))).toBe('SETTING_INVALID');
        expect(await codeOf(store.stat(name))).toBe('SETTING_INVALID');
        expect(await codeOf(store.delete(name))).toBe('SETTING_INVALID');
      }
      for (const prefix of ['/', '../', 'a/../', 'a//', '.hidden', 'a b'])
        expect(await codeOf(names(store.list(prefix)))).toBe('SETTING_INVALID');
      const longest = `${'x'.repeat(200)}/${'y'.repeat(200)}/${'z'.repeat(110)}`;
      await store.create(longest, bytes('x'));
      expect(await names(store.list(''))).toEqual([longest]);
    });

    if (reopen !== undefined)
      it('shows its objects to another one over the same place', async () => {
        const other = await reopen(store);
        await store.create('a/b', bytes('from one'));
        await other.create('a/c', bytes('from the other'));
        expect(Buffer.from(await other.read('a/b')).toString()).toBe('from one');
        expect(await codeOf(store.create('a/c', bytes('again')))).toBe('OBJECT_EXISTS');
        await other.delete('a/b');
        expect(await names(store.list(''))).toEqual(['a/c']);
        await other.close();
      });
  });
};
