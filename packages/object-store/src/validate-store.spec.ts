import { HoldfastError } from '@holdfast/errors';
import { forwardStore } from './forward-store.ts';
import { createMemoryStore } from './memory-store.ts';
import type { ObjectStore } from './object-store.ts';
import { type StoreCheck, validateStore } from './validate-store.ts';
import { withFaults } from './with-faults.ts';

const QUICK = { size: 100_000, listPatience: 300 };
const outcomes = (checks: readonly StoreCheck[]): Record<string, string> =>
  Object.fromEntries(checks.map(({ name, outcome }) => [name, outcome]));
const bad = (checks: readonly StoreCheck[]): string[] => checks.filter(({ outcome }) => outcome === 'bad').map(({ name }) => name);

/** The store, but for what is told. */
const like = (store: ObjectStore, changes: Partial<ObjectStore>): ObjectStore => ({ ...forwardStore(store), ...changes });

describe('validating a store', () => {
  it('finds a good one good, and leaves nothing behind', async () => {
    const store = createMemoryStore();
    const seen: string[] = [];
    const checks = await validateStore(store, { ...QUICK, onCheck: ({ name }) => seen.push(name) });
    expect(checks.filter(({ outcome }) => outcome !== 'good')).toEqual([]);
    expect(checks).toHaveLength(8);
    expect(seen).toEqual(checks.map(({ name }) => name));
    for await (const { name } of store.list('')) throw new Error(`${name} was left`);
  });

  it.each<[string, (store: ObjectStore) => ObjectStore, string[]]>([
    [
      'overwrites',
      (store) =>
        like(store, {
          create: (name, content) =>
            store
              .delete(name)
              .then(() => store.create(name, content))
              .catch(() => {}),
        }),
      ['conditional create', 'racing creators', 'ranges'],
    ],
    [
      'reads other bytes',
      (store) => like(store, { read: async (name) => (await store.read(name)).map((byte) => byte ^ 1) }),
      ['create and read back', 'conditional create', 'racing creators', 'ranges'],
    ],
    ['knows no ranges', (store) => like(store, { read: (name) => store.read(name) }), ['ranges']],
    [
      'hides what is new',
      (store) =>
        withFaults(store, ({ request, name }) => (request === 'list' && name.includes('/list/') ? { hides: () => true } : undefined)),
      ['lists'],
    ],
    [
      'lists out of order',
      (store) =>
        like(store, {
          list: async function* (prefix, options) {
            const all = [];
            for await (const one of store.list(prefix, options)) all.push(one);
            yield* all.reverse();
          },
        }),
      ['lists'],
    ],
    [
      'has another time',
      (store) => like(store, { stat: async (name) => ({ ...(await store.stat(name)), created: Date.now() - 86_400_000 }) }),
      ['clock'],
    ],
    ['keeps what is deleted', (store) => like(store, { delete: async () => {} }), ['delete']],
  ])('finds one that %s', async (_, make, expected) => {
    expect(bad(await validateStore(make(createMemoryStore()), QUICK))).toEqual(expected);
  });

  it('does not mind that nothing may be deleted', async () => {
    const refused = new HoldfastError('NO_PERMISSION', { thing: 'store', why: 'no right to delete', remedy: 'ask' });
    const store = withFaults(createMemoryStore(), ({ request }) => (request === 'delete' ? { before: refused } : undefined));
    expect(outcomes(await validateStore(store, QUICK))).toMatchObject({ delete: 'unknown', lists: 'good' });
  });
});
