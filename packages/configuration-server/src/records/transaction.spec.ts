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

  it('comes through when it takes long, and others who are quick never cease', async () => {
    const store = createMemoryStore({ events: 100, audit: 100, changes: 100 });
    let isOver = false;
    const count = (rest: () => Promise<void>) =>
      transact(store, async (transaction) => {
        const before = (await transaction.read(policyUses, 'gold'))?.value.protections ?? 0;
        await rest();
        transaction.put(policyUses, 'gold', { protections: before + 1 });
      });
    let counted = 0;
    const quick = async (): Promise<void> => {
      while (!isOver) {
        await count(() => Promise.resolve());
        counted += 1;
        await new Promise(setImmediate);
      }
    };
    const others = Array.from({ length: 4 }, quick);
    await count(async () => {
      for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    }).finally(() => {
      isOver = true;
    });
    await Promise.all(others);
    expect((await find(store, policyUses, 'gold'))?.value.protections).toBe(counted + 1);
  });
});
