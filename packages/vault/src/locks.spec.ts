import { HoldfastError } from '@holdfast/errors';
import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import { newestCatalogue, publishCatalogue } from './catalogue.ts';
import { checkContinuity } from './continuity.ts';
import { type KeepOptions, type KeepReport, keepMachine } from './keep-machine.ts';
import { addHolder } from './keys/holders.ts';
import { rebuildCatalogue } from './rebuild-catalogue.ts';
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
  /** A recovery kit holds a key slot. */
  const keepSlots = async (work: () => Promise<void>): Promise<void> => {
    const slots = new Map<string, Uint8Array>();
    for await (const { name } of store.list('keys/')) slots.set(name, await store.read(name));
    await work();
    for (const [name, slot] of slots) await store.create(name, slot);
  };
  /** By somebody with every right. */
  const deleteAll = async (): Promise<void> => {
    for await (const { name } of store.list('')) await store.delete(name).catch(() => {});
  };

  it('leave every compacted point readable, whoever deletes what can be deleted', async () => {
    await prepare(true);
    const { lockedAnew } = await keep({ lockFor: 14 * DAY });
    expect(lockedAnew).toBeGreaterThan(8);
    expect(await locked()).toHaveLength(lockedAnew);
    expect((await locked()).filter((name) => name.includes('/log/') || name.startsWith('keys/'))).toEqual([]);
    await keepSlots(deleteAll);
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

  it.each([-3, 300])('end by the clock of the store, also when that of the keeper is %d days off', async (days) => {
    await prepare(true);
    // The machine has been off since, so that nothing in the store is new.
    now += 20 * DAY;
    const wrong = { now: () => now + days * DAY, sleep: async () => {} };
    expect((await keep({ lockFor: 2 * DAY, clock: wrong })).lockedAnew).toBeGreaterThan(8);
    now += DAY;
    expect((await locked()).length).toBeGreaterThan(8);
    now += DAY;
    expect(await locked()).toEqual([]);
  });

  /** Before it was locked, or when its lock had ended. */
  const deleteUnlocked = async (name: string): Promise<void> => {
    const at = now;
    now += 1000 * DAY;
    await store.delete(name);
    now = at;
  };

  it.each(['log', 'catalogue', 'runs', 'parts', 'history'])(
    'are renewed although an object of %s is gone, and that is said',
    async (folder) => {
      await prepare(true);
      await keep({ lockFor: 10 * DAY });
      const before = await locked();
      const { writer } = await bench.open();
      for (const { content } of await bench.cuts(12)) await writer.append(content);
      const names = (await bench.objects(`${folder}/`)).map(({ name }) => name);
      // Of the log one that no catalogue covers and that has more behind it than a writer leaves.
      const { needed } = await checkContinuity(await bench.read());
      const gone = names.find((name) => needed.has(name)) ?? (folder === 'log' ? names.at(-10)! : names[0]!);
      await deleteUnlocked(gone);
      if (folder === 'catalogue') await store.create(gone, Buffer.from('rubbish'));
      now += 6 * DAY;
      await expect(keep({ lockFor: 10 * DAY, minCuts: 1000 })).rejects.toMatchObject({
        code: 'DAMAGED',
        why: expect.stringMatching(/; locks are renewed all the same$/),
      });
      now += 5 * DAY;
      // Those of the first round have ended.
      expect(await locked()).toEqual(expect.arrayContaining(before.filter((name) => name !== gone)));
    },
  );

  it('are renewed where a version of the catalogue came up that needs nothing any more', async () => {
    await prepare(true);
    await keep({ lockFor: 10 * DAY });
    const before = await locked();
    const base = await newestCatalogue(bench.vault, bench.source.machineId);
    const writer = { vault: bench.vault, machineId: bench.source.machineId, keyEpoch: 1 };
    expect(await publishCatalogue(writer, base, { ...base.newest!.catalogue, runs: [], history: [] })).toBeDefined();
    for (let day = 0; day < 30; day += 3) {
      now += 3 * DAY;
      await keep({ lockFor: 10 * DAY }).catch(() => undefined);
    }
    expect(await locked()).toEqual(expect.arrayContaining(before));
  });

  it('keep nobody from compacting where the store refuses them', async () => {
    await prepare(true);
    const refusing: ObjectStore = new Proxy(store, {
      get: (target, key) =>
        key === 'lockUntil'
          ? () => Promise.reject(new HoldfastError('NO_PERMISSION', { thing: 'a', why: 'not allowed', remedy: 'ask' }))
          : bound(target, key),
    });
    const vault = await throughStore(refusing);
    for (let round = 0; round < 2; round += 1)
      await expect(keepMachine(vault, bench.source.machineId, { minCuts: 1, lockFor: DAY })).rejects.toMatchObject({
        code: 'NO_PERMISSION',
        why: 'not allowed',
      });
    expect((await bench.read()).catalogue!.catalogue.runs.length).toBeGreaterThan(0);
  });

  it('are on one version of the catalogue for each compaction, however many others are published', async () => {
    await prepare(true);
    const versions = async (): Promise<number> => (await locked()).filter((name) => name.includes('/catalogue/')).length;
    await keep({ lockFor: 10 * DAY });
    for (let round = 0; round < 6; round += 1) {
      now += DAY / 2;
      await append(await bench.cuts(2));
      await keep({ lockFor: 10 * DAY, minCuts: 1000 });
    }
    expect(await versions()).toBe(1);
    await keep({ lockFor: 10 * DAY });
    expect(await versions()).toBe(2);
    now += DAY;
    await append(await bench.cuts(3));
    await keep({ lockFor: 10 * DAY, minCuts: 1000 });
    const compacted = (await bench.read()).points.length - 3;
    // What tells of the newest three is merged with what told of others, and is not locked.
    await keepSlots(deleteAll);
    const { basedOn } = await rebuildCatalogue(bench.vault, bench.source.machineId);
    expect(basedOn).toBeGreaterThan(0);
    expect((await bench.read()).points).toHaveLength(compacted);
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
