import { describeObjectStore } from './conformance/index.ts';
import { forwardStore } from './forward-store.ts';
import { createMemoryStore } from './memory-store.ts';

describeObjectStore('forwarded store', { open: async () => forwardStore(createMemoryStore()) });

describe('a forwarded store', () => {
  it('can what the store can, and no more', async () => {
    const plain = forwardStore(createMemoryStore());
    expect([plain.setTier, plain.lockUntil, plain.time]).toEqual([undefined, undefined, undefined]);

    const store = createMemoryStore({ now: () => 1000, tiers: true, locks: true });
    const forwarded = forwardStore(store);
    await forwarded.create('object', Buffer.from('content'));
    await forwarded.setTier!('object', 'cool');
    await forwarded.lockUntil!('object', (await forwarded.time!()) + 1);
    expect(await store.stat('object')).toMatchObject({ tier: 'cool', lockedUntil: 1001 });
  });
});
