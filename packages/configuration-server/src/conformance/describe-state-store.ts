import { HoldfastError } from '@holdfast/errors';
import fc from 'fast-check';
import { createMemoryStore } from '../state/memory-store.ts';
import type { Change, Commit, HistoryLimits, NewEvent, StateStore } from '../state/state-store.ts';

/** A kind of store under test. */
export interface StateStoreKind {
  /** An empty store. */
  open(limits: HistoryLimits): Promise<StateStore>;
  /** Closes a store and opens what it kept again; absent for stores that keep nothing. */
  reopen?(store: StateStore, limits: HistoryLimits): Promise<StateStore>;
}

const LIMITS: HistoryLimits = { events: 1000, audit: 1000, changes: 1000 };

const codeOf = (answer: Promise<unknown>): Promise<string> =>
  answer.then(
    () => 'no error',
    (reason: unknown) => (reason instanceof HoldfastError ? reason.code : String(reason)),
  );

const document = (data: string) => ({ schema: 1, data });
const event = (text: string, subject = 'a'): NewEvent => ({ at: 1, severity: 'information', code: 'x', text, subject, actor: 'me' });
const audit = (detail: string, subject = 'a') => ({ at: 1, actor: 'me', action: 'Do', subject, detail });

/** The next `count` changes. */
const take = async (store: StateStore, after: number, count: number): Promise<Change[]> => {
  const enough = new AbortController();
  const changes: Change[] = [];
  for await (const change of store.watch(after, enough.signal)) {
    changes.push(change);
    if (changes.length === count) break;
  }
  return changes;
};

const keys = ['a', 'a/1', 'a/2', 'a-b', 'b', 'b/1'];
const commits: fc.Arbitrary<Commit> = fc.record({
  expect: fc.dictionary(fc.constantFrom(...keys), fc.nat({ max: 6 }), { maxKeys: 1 }),
  put: fc.dictionary(fc.constantFrom(...keys.slice(0, 4)), fc.string().map(document), { maxKeys: 2 }),
  delete: fc.subarray(keys.slice(4), { maxLength: 1 }),
  events: fc.array(
    fc.constantFrom('a', 'b', '').map((subject) => event('e', subject)),
    { maxLength: 3 },
  ),
});

/** Everything there is to see of a store. */
const picture = async (store: StateStore): Promise<unknown> => ({
  revision: store.revision(),
  entries: await store.list({ prefix: '', limit: 100 }),
  within: await store.list({ prefix: 'a/', after: 'a/1', limit: 100 }),
  events: await store.events({ limit: 1000 }),
  about: await store.events({ limit: 2, subject: 'a' }),
  changes: store.revision() === 0 ? [] : (await take(store, 0, 1)).map(({ revision }) => revision),
});

/** What every state store has to pass, as jest tests. */
export const describeStateStore = (kind: string, { open, reopen }: StateStoreKind): void => {
  describe(`${kind} as a state store`, () => {
    const opened: StateStore[] = [];
    const fresh = async (limits = LIMITS): Promise<StateStore> => {
      const store = await open(limits);
      opened.push(store);
      return store;
    };
    afterEach(async () => {
      for (const store of opened.splice(0)) await store.close();
    });

    it('gives back what was committed, with its revision', async () => {
      const store = await fresh();
      expect(store.revision()).toBe(0);
      const first = await store.commit({ put: { 'a/1': document('one'), 'a/2': document('two') } });
      const second = await store.commit({ put: { 'a/2': { schema: 7, data: { deep: [1, null, 'x'] } } } });
      expect(second).toBeGreaterThan(first);
      expect(await store.get('a/1')).toEqual({ key: 'a/1', revision: first, schema: 1, data: 'one' });
      expect(await store.get('a/2')).toEqual({ key: 'a/2', revision: second, schema: 7, data: { deep: [1, null, 'x'] } });
      expect(await store.get('a/3')).toBeUndefined();
      expect(store.revision()).toBe(second);
    });

    it('keeps its own copy', async () => {
      const store = await fresh();
      const data = { list: [1] };
      await store.commit({ put: { a: { schema: 1, data } } });
      data.list.push(2);
      const read = await store.get('a');
      expect(read?.data).toEqual({ list: [1] });
      (read!.data as { list: number[] }).list.push(3);
      expect((await store.get('a'))?.data).toEqual({ list: [1] });
    });

    it('commits only when every expectation holds, and otherwise nothing', async () => {
      const store = await fresh();
      const revision = await store.commit({ expect: { a: 0 }, put: { a: document('x') } });
      const wrong: Commit[] = [
        { expect: { a: 0 }, put: { b: document('y') } },
        { expect: { a: revision + 1 }, put: { b: document('y') } },
        { expect: { a: revision, b: 1 }, put: { b: document('y') }, events: [event('no')], audit: audit('no') },
        { expect: { b: 1 }, delete: ['a'] },
      ];
      for (const commit of wrong) expect(await codeOf(store.commit(commit))).toBe('VERSION_CONFLICT');
      expect(store.revision()).toBe(revision);
      expect(await store.get('b')).toBeUndefined();
      expect((await store.get('a'))?.data).toBe('x');
      expect(await store.events({ limit: 10 })).toEqual([]);
      expect(await store.audit({ limit: 10 })).toEqual([]);
      await store.commit({ expect: { a: revision }, delete: ['a'] });
      expect(await codeOf(store.commit({ expect: { a: revision }, put: { a: document('z') } }))).toBe('VERSION_CONFLICT');
      expect(await codeOf(store.commit({ expect: { a: 0 }, put: { a: document('z') } }))).toBe('no error');
    });

    it('lets exactly one of many racing commits win', async () => {
      const store = await fresh();
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, (_, index) => codeOf(store.commit({ expect: { a: 0 }, put: { a: document(String(index)) } }))),
      );
      expect(outcomes.filter((code) => code === 'no error')).toHaveLength(1);
      expect(outcomes.filter((code) => code === 'VERSION_CONFLICT')).toHaveLength(49);
      expect(Number((await store.get('a'))?.data)).toBe(outcomes.indexOf('no error'));
    });

    it('refuses keys and subjects that cannot be', async () => {
      const store = await fresh();
      for (const key of ['', 'A', 'a b', 'ä', 'a\n', 'x'.repeat(201)]) {
        expect(await codeOf(store.get(key))).toBe('INTERNAL');
        expect(await codeOf(store.commit({ put: { [key]: document('x') } }))).toBe('INTERNAL');
      }
      expect(await codeOf(store.commit({ events: [event('x', 'a/b')] }))).toBe('INTERNAL');
      expect(await codeOf(store.commit({ put: { a: document('x') }, delete: ['a'] }))).toBe('INTERNAL');
      expect(store.revision()).toBe(0);
    });

    it('lists by key, by prefix, page by page', async () => {
      const store = await fresh();
      const all = ['a', 'a-1', 'a.1', 'a/1', 'a/10', 'a/2', 'a0', 'aa', 'b/1', '0'].toSorted();
      await store.commit({ put: Object.fromEntries(all.map((key) => [key, document(key)])) });
      const list = async (prefix: string, after?: string, limit = 100): Promise<string[]> =>
        (await store.list({ prefix, limit, ...(after === undefined ? {} : { after }) })).map(({ key }) => key);
      expect(await list('')).toEqual(all);
      expect(await list('a/')).toEqual(['a/1', 'a/10', 'a/2']);
      expect(await list('a/1')).toEqual(['a/1', 'a/10']);
      expect(await list('a/', 'a/1')).toEqual(['a/10', 'a/2']);
      expect(await list('a/', undefined, 2)).toEqual(['a/1', 'a/10']);
      expect(await list('a/', '0')).toEqual(['a/1', 'a/10', 'a/2']);
      expect(await list('a/', 'b')).toEqual([]);
      expect(await list('c')).toEqual([]);
    });

    it('gives every event a revision of its own, the newest first in lists', async () => {
      const store = await fresh();
      const revision = await store.commit({ events: [event('1'), event('2', 'b'), event('3')], audit: audit('all') });
      await store.commit({ events: [event('4', 'b')] });
      const events = await store.events({ limit: 10 });
      expect(events.map(({ text }) => text)).toEqual(['4', '3', '2', '1']);
      expect(events.map((one) => one.revision)).toEqual([revision + 1, revision, revision - 1, revision - 2]);
      expect((await store.events({ limit: 2 })).map(({ text }) => text)).toEqual(['4', '3']);
      expect((await store.events({ limit: 2, before: revision })).map(({ text }) => text)).toEqual(['2', '1']);
      expect((await store.events({ limit: 10, subject: 'b' })).map(({ text }) => text)).toEqual(['4', '2']);
      expect((await store.events({ limit: 10, subject: 'b', before: revision })).map(({ text }) => text)).toEqual(['2']);
      expect(await store.events({ limit: 10, subject: 'nobody' })).toEqual([]);
      expect(await store.audit({ limit: 10 })).toEqual([{ ...audit('all'), revision }]);
      expect(await store.audit({ limit: 10, subject: 'b' })).toEqual([]);
    });

    it('shows every change after a revision, in order, then new ones', async () => {
      const store = await fresh();
      const first = await store.commit({ put: { a: document('1') } });
      const second = await store.commit({ put: { b: document('2') }, delete: ['a'], events: [event('x'), event('y')] });
      expect(await take(store, 0, 2)).toEqual([
        { revision: first, keys: ['a'], events: [] },
        { revision: second, keys: ['b', 'a'], events: [expect.objectContaining({ text: 'x' }), expect.objectContaining({ text: 'y' })] },
      ]);
      const coming = take(store, second, 2);
      const third = await store.commit({ put: { c: document('3') } });
      const fourth = await store.commit({ events: [event('z')] });
      expect((await coming).map(({ revision }) => revision)).toEqual([third, fourth]);
      // From the middle of a commit: the events that are left.
      const [rest] = await take(store, second - 1, 1);
      expect(rest).toMatchObject({ revision: second, events: [{ text: 'y' }] });
    });

    it('loses and doubles nothing for many who watch while many commit', async () => {
      const store = await fresh();
      const watching = Array.from({ length: 10 }, () => take(store, 0, 200));
      await Promise.all(Array.from({ length: 200 }, (_, index) => store.commit({ put: { [`k/${index % 7}`]: document(String(index)) } })));
      for (const changes of await Promise.all(watching))
        expect(changes.map(({ revision }) => revision)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
    });

    it('ends a watch when asked to, and when it closes', async () => {
      const store = await fresh();
      const stop = new AbortController();
      const run = async (signal: AbortSignal): Promise<string> => {
        for await (const _ of store.watch(0, signal)) return 'a change';
        return 'ended';
      };
      const [stopped, closed] = [run(stop.signal), run(new AbortController().signal)];
      stop.abort();
      expect(await stopped).toBe('ended');
      await store.close();
      expect(await closed).toBe('ended');
      opened.splice(0);
    });

    it('says when what a watcher missed is not kept any more, also in the middle', async () => {
      const store = await fresh({ events: 10, audit: 10, changes: 10 });
      const slow = store.watch(0, new AbortController().signal)[Symbol.asyncIterator]();
      await store.commit({ put: { a: document('0') } });
      expect((await slow.next()).value).toMatchObject({ revision: 1 });
      for (let index = 1; index <= 40; index += 1) await store.commit({ put: { a: document(String(index)) } });
      expect(await codeOf(slow.next())).toBe('CHANGES_COMPACTED');
      expect(await codeOf(take(store, 0, 1))).toBe('CHANGES_COMPACTED');
      expect((await take(store, 31, 10)).map(({ revision }) => revision)).toEqual(Array.from({ length: 10 }, (_, index) => 32 + index));
    });

    it('bounds its histories', async () => {
      const store = await fresh({ events: 20, audit: 20, changes: 20 });
      for (let index = 0; index < 100; index += 1) await store.commit({ events: [event(String(index))], audit: audit(String(index)) });
      for (const history of [await store.events({ limit: 1000 }), await store.audit({ limit: 1000 })]) {
        expect(history.length).toBeGreaterThanOrEqual(20);
        expect(history.length).toBeLessThanOrEqual(24);
        expect(history[0]!.revision).toBe(100);
      }
      expect((await store.events({ limit: 1000, subject: 'a' })).length).toBe((await store.events({ limit: 1000 })).length);
    });

    it('does the same as the model, whatever is committed', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(commits, { maxLength: 12 }), async (all) => {
          const model = createMemoryStore(LIMITS);
          const store = await open(LIMITS);
          try {
            for (const commit of all) expect(await codeOf(store.commit(commit))).toBe(await codeOf(model.commit(commit)));
            expect(await picture(store)).toEqual(await picture(model));
          } finally {
            await store.close();
          }
        }),
        { numRuns: 40 },
      );
    });

    if (reopen === undefined) return;

    it('keeps everything when it is opened again', async () => {
      const before = await fresh({ events: 20, audit: 20, changes: 20 });
      for (let index = 0; index < 50; index += 1)
        await before.commit({ put: { [`k/${index}`]: document(String(index)) }, events: [event('e'), event('f')], audit: audit('x') });
      const seen = { entries: await before.list({ prefix: '', limit: 100 }), events: await before.events({ limit: 100 }) };
      const after = await reopen(before, { events: 20, audit: 20, changes: 20 });
      opened.splice(0, 1, after);
      expect(after.revision()).toBe(100);
      expect({ entries: await after.list({ prefix: '', limit: 100 }), events: await after.events({ limit: 100 }) }).toEqual(seen);
      expect(await codeOf(take(after, 0, 1))).toBe('CHANGES_COMPACTED');
      expect(await after.commit({ put: { a: document('x') } })).toBe(101);
    });
  });
};
