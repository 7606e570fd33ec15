import { createMemoryStore } from '../state/memory-store.ts';
import { find } from './kind.ts';
import { policyUses } from './kinds.ts';
import { transact } from './transaction.ts';

describe('a transaction', () => {
  it('comes through however many want to change the same thing, and each counts once', async () => {
    const store = createMemoryStore({ events: 100, audit: 100, changes: 100 });
    const count = () =>
      transact(store, async (transaction) => {
        const before = (await transaction.read(policyUses, 'gold'))?.value.protections ?? 0;
        transaction.put(policyUses, 'gold', { protections: before + 1 });
      });
    await Promise.all(Array.from({ length: 60 }, count));
    expect((await find(store, policyUses, 'gold'))?.value.protections).toBe(60);
  });
});
