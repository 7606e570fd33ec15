import { create } from '@bufbuild/protobuf';
import { newId, ProtectionSchema } from '@holdfast/protocol';
import { protections, SITE, sites } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import { createNotifier, type Notifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';
import { createProtectedCounts } from './vault-use.ts';

const [OFFICE, ATTIC] = [newId(), newId()];

describe('how many machines are protected into each vault', () => {
  const stop = new AbortController();
  let store: StateStore;
  let notifier: Notifier;
  let listed: number;
  let fail: boolean;
  afterAll(() => stop.abort());

  const protect = (vault: string, id = newId()): Promise<unknown> =>
    transact(store, async (transaction) => transaction.put(protections, id, create(ProtectionSchema, { machineId: id, vault })));
  const told = async (): Promise<void> => {
    while (notifier.position() < store.revision()) await new Promise(setImmediate);
  };

  beforeEach(async () => {
    const memory = createMemoryStore({ events: 10, audit: 10, changes: 1000 });
    listed = 0;
    fail = false;
    store = {
      ...memory,
      async list(options) {
        if (options.prefix === protections.prefix) listed += 1;
        if (fail) throw new Error('no disk');
        return memory.list(options);
      },
    };
    notifier = createNotifier(store);
    void notifier.run(stop.signal);
    for (let count = 0; count < 3; count += 1) await protect(OFFICE);
  });

  it('is counted once for all pages, and anew after a change, at once', async () => {
    const counts = createProtectedCounts(store, notifier);
    await told();
    for (let page = 0; page < 5; page += 1) expect(await counts()).toEqual(new Map([[OFFICE, 3]]));
    expect(listed).toBe(1);
    await protect(ATTIC);
    // Before anybody was told of it.
    const expected = new Map([
      [OFFICE, 3],
      [ATTIC, 1],
    ]);
    expect(await counts()).toEqual(expected);
    await told();
    expect(await counts()).toEqual(expected);
    const before = listed;
    // What else changes does not matter.
    await transact(store, async (transaction) => transaction.put(sites, SITE, { id: newId() }));
    await told();
    expect(await counts()).toEqual(expected);
    expect(listed).toBe(before);
  });

  it('is counted anew after a failure', async () => {
    const counts = createProtectedCounts(store, notifier);
    await told();
    fail = true;
    await expect(counts()).rejects.toThrow('no disk');
    fail = false;
    expect(await counts()).toEqual(new Map([[OFFICE, 3]]));
  });
});
