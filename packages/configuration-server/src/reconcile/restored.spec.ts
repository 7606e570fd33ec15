import { getEventListeners } from 'node:events';
import { SITE, type SiteRecord, sites } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import { createNotifier, type Notifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';
import { endReconciliation, whenReconciled } from './restored.ts';

describe('waiting for a reconciliation', () => {
  let store: StateStore;
  let notifier: Notifier;
  let looks: number;
  const stop = new AbortController();

  const note = (settled: number): Promise<unknown> =>
    transact(store, async (transaction) => {
      await transaction.read(sites, SITE);
      transaction.put(sites, SITE, { id: '8'.repeat(32), restored: { from: 'backup', made: 1, at: settled } } as SiteRecord);
    });
  const looked = async (times: number): Promise<void> => {
    while (looks < times) await new Promise(setImmediate);
  };

  beforeEach(async () => {
    store = createMemoryStore({ events: 100, audit: 100, changes: 1000 });
    notifier = createNotifier(store);
    looks = 0;
    void notifier.run(stop.signal);
    await note(1);
  });

  afterAll(() => stop.abort());

  it('leaves no listener behind, however often something of the site changes', async () => {
    const { signal } = new AbortController();
    const counting: Notifier = {
      ...notifier,
      subscribe: (keys, listener) =>
        notifier.subscribe(keys, () => {
          looks += 1;
          listener();
        }),
    };
    const waiting = whenReconciled(store, counting, signal);
    for (let change = 1; change <= 12; change += 1) {
      await note(change + 1);
      await looked(change);
      expect(getEventListeners(signal, 'abort').length).toBeLessThanOrEqual(1);
    }
    await endReconciliation(store, 'admin', 'all is known');
    await waiting;
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('ends when it is stopped', async () => {
    const end = new AbortController();
    const waiting = whenReconciled(store, notifier, end.signal);
    end.abort();
    await waiting;
    expect(await store.get(sites.key(SITE))).toBeDefined();
  });
});
