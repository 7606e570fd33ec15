import { revocations } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import { createNotifier } from '../state/notifier.ts';
import { openRevocations } from './revocations.ts';

describe('revocations', () => {
  it('count also when the list could not be read at once', async () => {
    const store = createMemoryStore({ events: 10, audit: 10, changes: 100 });
    let failures = 0;
    const flaky = {
      ...store,
      list: (options: Parameters<typeof store.list>[0]) => (failures-- > 0 ? Promise.reject(new Error('no')) : store.list(options)),
    };
    const notifier = createNotifier(store);
    const stop = new AbortController();
    const running = notifier.run(stop.signal);
    const list = await openRevocations(flaky, notifier);
    const peer = { identity: { role: 'agent', id: 'a'.repeat(32) }, serial: '5f', notAfter: Date.now() + 60_000 } as never;
    expect(() => list.require(peer)).not.toThrow();
    const told = new Promise((resolve) => list.onRevoked(peer, resolve));
    failures = 2;
    await transact(store, async (transaction) =>
      transaction.put(revocations, '5f', { member: 'a'.repeat(32), notAfter: Date.now() + 60_000 }),
    );
    expect(await told).toMatchObject({ code: 'CERTIFICATE_REVOKED' });
    expect(() => list.require(peer)).toThrow(/revoked/);
    list.close();
    stop.abort();
    await running;
  });
});
