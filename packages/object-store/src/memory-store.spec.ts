import { describeObjectStore } from './conformance/index.ts';
import { createMemoryStore } from './memory-store.ts';
import { openStore } from './open-store.ts';
import { withMetrics } from './with-metrics.ts';

describeObjectStore('memory store', { open: async () => createMemoryStore() });
describeObjectStore('memory store by URL, metered', { open: async () => withMetrics(await openStore('memory:')).store });

describe('memory store', () => {
  it('takes the time of its objects from its own clock', async () => {
    const store = createMemoryStore({ now: () => 1234 });
    await store.create('a', new Uint8Array(1));
    expect((await store.stat('a')).created).toBe(1234);
  });
});
