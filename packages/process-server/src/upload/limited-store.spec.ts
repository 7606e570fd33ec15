import { createRate } from '@holdfast/daemon';
import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import { createFairGate, withFairness } from './fair-store.ts';
import { withRate } from './limited-store.ts';
import { watchStore } from './watched-store.ts';

const upload = async (bytesPerSecond: number): Promise<{ readonly names: string[]; readonly milliseconds: number }> => {
  const memory = createMemoryStore();
  const names: string[] = [];
  const noting = {
    ...memory,
    url: memory.url,
    create: (name: string, content: Uint8Array) => {
      names.push(name);
      return memory.create(name, content);
    },
  };
  const store = withRate(
    noting as typeof memory,
    createRate(() => bytesPerSecond),
  );
  const start = performance.now();
  await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => store.create(name, Buffer.alloc(50_000))));
  return { names, milliseconds: performance.now() - start };
};

describe('a store below a rate', () => {
  it('takes objects in their order, no faster than it may', async () => {
    const { names, milliseconds } = await upload(500_000);
    expect(names).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    // The first one goes at once, the others when those before are made up for.
    expect(milliseconds).toBeGreaterThan(480);
  });

  it('holds nothing up without a limit', async () => {
    expect((await upload(0)).milliseconds).toBeLessThan(10_000);
  });
});

describe('what is put around a store', () => {
  it('leaves it its tiers, where it has any', async () => {
    const around = (store: ObjectStore): ObjectStore =>
      withFairness(
        withRate(
          watchStore(store, () => {}).store,
          createRate(() => 0),
        ),
        createFairGate(1),
      );
    const store = around(createMemoryStore({ tiers: true }));
    await store.create('a', Buffer.from('a'));
    await store.setTier!('a', 'cool');
    expect((await store.stat('a')).tier).toBe('cool');
    expect(around(createMemoryStore()).setTier).toBeUndefined();
  });
});
