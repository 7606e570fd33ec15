import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import { addHolder } from './holders.ts';
import { type KeepOptions, type KeepReport, keepMachine } from './keep-machine.ts';
import { compareAll } from './testing/compare.ts';
import { settled } from './testing/fast-clock.ts';
import { createTestVault, throughStore } from './testing/open-test-vault.ts';
import { type MadeCut, SimulatedSource } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

const DAY = 24 * 3_600_000;

const bound = (store: ObjectStore, key: string | symbol): unknown => {
  const value = Reflect.get(store, key) as unknown;
  return typeof value === 'function' ? value.bind(store) : value;
};

describe('locks', () => {
  let now: number;
  let store: ObjectStore;
  /** Names of which a deletion was refused. */
  let refused: string[];
  let bench: WriterBench;
  let cuts: MadeCut[];
  const prepare = async (locks: boolean): Promise<void> => {
    now = Date.UTC(2026, 0, 1);
    const memory = createMemoryStore({ now: () => now, locks });
    refused = [];
    const remove = (name: string): Promise<void> =>
      memory.delete(name).catch((reason: unknown) => {
        refused.push(name);
        throw reason;
      });
    store = new Proxy(memory, { get: (target, key) => (key === 'delete' ? remove : bound(target, key)) });
    const source = new SimulatedSource([64 * 1024, 50_000]);
    bench = new WriterBench(source, store, await createTestVault(source, store));
    cuts = await bench.cuts(6);
    await addHolder(bench.vault, { kind: 'key-file', secret: Buffer.alloc(32, 9) });
    await append(cuts);
  };
  afterEach(() => bench.close());

  const append = async (made: readonly MadeCut[]): Promise<void> => {
    const { writer } = await bench.open({ checkpoint: { slots: 1 } });
    for (const { content } of made) {
      await writer.append(content);
      await settled();
    }
    await writer.close();
  };
  const keep = (options: KeepOptions = {}): Promise<KeepReport> =>
    keepMachine(bench.vault, bench.source.machineId, { minCuts: 1, clock: { now: () => now, sleep: async () => {} }, ...options });
  const locked = async (): Promise<string[]> => {
    const names: string[] = [];
    for await (const { name, lockedUntil = 0 } of store.list('', { locks: true })) if (lockedUntil > now) names.push(name);
    return names;
  };
  /** By somebody with every right. */
  const deleteAll = async (): Promise<void> => {
    for await (const { name } of store.list('')) await store.delete(name).catch(() => {});
  };

  it('leave every compacted point readable, whoever deletes what can be deleted', async () => {
    await prepare(true);
    const slots = new Map<string, Uint8Array>();
    for await (const { name } of store.list('keys/')) slots.set(name, await store.read(name));
    const { lockedAnew } = await keep({ lockFor: 14 * DAY });
    expect(lockedAnew).toBeGreaterThan(8);
    expect(await locked()).toHaveLength(lockedAnew);
    expect((await locked()).filter((name) => name.includes('/log/') || name.startsWith('keys/'))).toEqual([]);
    await deleteAll();
    // The kit holds a key slot.
    for (const [name, slot] of slots) await store.create(name, slot);
    const vault = await throughStore(store);
    const history = await new WriterBench(bench.source, store, vault).read();
    expect(history.points).toHaveLength(cuts.length);
    expect(await compareAll(history, cuts)).toBeUndefined();
    // Once they have ended there is nothing to hold it.
    now += 15 * DAY;
    await deleteAll();
    for await (const { name } of store.list('')) throw new Error(`${name} is still there`);
  });

  it('are renewed when half of their time is left, and end for what is given up', async () => {
    await prepare(true);
    const policy = { rules: [], atLeast: 3 };
    const first = (await keep({ lockFor: 10 * DAY })).lockedAnew;
    expect((await keep({ lockFor: 10 * DAY })).lockedAnew).toBe(0);
    now += 4 * DAY;
    expect((await keep({ lockFor: 10 * DAY })).lockedAnew).toBe(0);
    now += 2 * DAY;
    expect((await keep({ lockFor: 10 * DAY })).lockedAnew).toBe(first);
    const more = await bench.cuts(6);
    await append(more);
    now += DAY;
    await keep({ lockFor: 10 * DAY, policy, thinAtOnce: 1, fanIn: 2 });
    now += 2 * DAY;
    await append(await bench.cuts(1));
    // Due, and locked for some days.
    const held = await keep({ lockFor: 10 * DAY, policy, thinAtOnce: 1, fanIn: 2 });
    expect(held.locked).toBeGreaterThan(0);
    // There may be thousands: nothing is asked for them, round after round.
    expect(refused).toEqual([]);
    now += 9 * DAY;
    await append(await bench.cuts(1));
    const freed = await keep({ lockFor: 10 * DAY, policy, thinAtOnce: 1, fanIn: 2 });
    expect(freed.deleted).toBeGreaterThanOrEqual(held.locked);
    expect((await bench.read()).damage).toEqual([]);
  });

  it('end by the clock of the store, however far that of the keeper is behind', async () => {
    await prepare(true);
    const late = { now: () => now - 3 * DAY, sleep: async () => {} };
    expect((await keep({ lockFor: 2 * DAY, clock: late })).lockedAnew).toBeGreaterThan(8);
    now += DAY;
    expect((await locked()).length).toBeGreaterThan(8);
  });

  it('are not there without being wanted, nor where a store has none', async () => {
    await prepare(true);
    expect((await keep()).lockedAnew).toBe(0);
    expect(await locked()).toEqual([]);
    await deleteAll();
    for await (const { name } of store.list('')) throw new Error(`${name} is still there`);
    await bench.close();
    await prepare(false);
    expect((await keep({ lockFor: DAY })).lockedAnew).toBe(0);
  });
});
