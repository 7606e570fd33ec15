import { createMemoryStore } from './memory-store.ts';
import type { ObjectStore } from './object-store.ts';
import { seededFaults, storeUnavailable, withFaults } from './with-faults.ts';
import { withMetrics } from './with-metrics.ts';

const failure = storeUnavailable('x', 'on purpose');
const exists = (store: ObjectStore, name: string): Promise<boolean> =>
  store.stat(name).then(
    () => true,
    () => false,
  );

describe('a store with faults', () => {
  it('fails before the effect, after it, or not at all', async () => {
    const inner = createMemoryStore();
    const store = withFaults(inner, ({ name }) =>
      name === 'before' ? { before: failure } : name === 'after' ? { after: failure } : undefined,
    );
    await expect(store.create('before', new Uint8Array(1))).rejects.toBe(failure);
    await expect(store.create('after', new Uint8Array(1))).rejects.toBe(failure);
    await store.create('well', new Uint8Array(1));
    expect(await exists(inner, 'before')).toBe(false);
    expect(await exists(inner, 'after')).toBe(true);
    expect(await exists(inner, 'well')).toBe(true);
  });

  it('stalls a request, or its answer, until told', async () => {
    const inner = createMemoryStore();
    const gate = Promise.withResolvers<void>();
    const store = withFaults(inner, ({ name }) => (name === 'request' ? { stall: gate.promise } : { stallAnswer: gate.promise }));
    let answers = 0;
    const creates = ['request', 'answer'].map((name) => store.create(name, new Uint8Array(1)).then(() => (answers += 1)));
    await new Promise(setImmediate);
    expect([await exists(inner, 'request'), await exists(inner, 'answer'), answers]).toEqual([false, true, 0]);
    gate.resolve();
    await Promise.all(creates);
    expect([await exists(inner, 'request'), answers]).toEqual([true, 2]);
  });

  it('lets lists lag', async () => {
    const inner = createMemoryStore();
    for (const name of ['a', 'b', 'c']) await inner.create(name, new Uint8Array(1));
    const names: string[] = [];
    for await (const { name } of withFaults(inner, () => ({ hides: (name) => name === 'b' })).list('')) names.push(name);
    expect(names).toEqual(['a', 'c']);
  });

  it('draws the same faults from the same seed', async () => {
    const outcomes = async (seed: number): Promise<string> => {
      const store = withFaults(createMemoryStore(), seededFaults(seed, { before: 0.2, after: 0.2 }));
      let text = '';
      for (let index = 0; index < 100; index += 1)
        text += await store.create(`o/${index}`, new Uint8Array(1)).then(
          () => '.',
          (reason: Error) => (reason.message.includes('lost') ? 'l' : 'f'),
        );
      return text;
    };
    const first = await outcomes(1);
    expect(await outcomes(1)).toBe(first);
    expect(await outcomes(2)).not.toBe(first);
    for (const outcome of '.lf') expect(first).toContain(outcome);
  });
});

describe('a metered store', () => {
  it('counts requests, failures and bytes', async () => {
    const { store, metrics } = withMetrics(createMemoryStore());
    await store.create('a', new Uint8Array(10));
    await store.create('a', new Uint8Array(10)).catch(() => {});
    await store.read('a', { offset: -4 });
    await store.stat('a');
    for await (const _ of store.list('')) break;
    await store.delete('a');
    expect(metrics).toEqual({ requests: { create: 2, read: 1, stat: 1, list: 1, delete: 1 }, failed: 1, bytesCreated: 10, bytesRead: 4 });
  });
});
