import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import { type KeepOptions, type KeepReport, keepMachine } from './keep-machine.ts';
import { compareAll } from './testing/compare.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { createTestVault } from './testing/open-test-vault.ts';
import { type MadeCut, SimulatedSource } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';
import { storedAmounts } from './vault-stats.ts';

const DAY = 24 * 3_600_000;

describe('tiers', () => {
  let now: number;
  let store: ObjectStore;
  let bench: WriterBench;
  let cuts: MadeCut[];
  const prepare = async (tiers: boolean): Promise<void> => {
    now = Date.UTC(2026, 0, 1);
    store = createMemoryStore({ now: () => now, tiers });
    const source = new SimulatedSource([64 * 1024, 50_000]);
    bench = new WriterBench(source, store, await createTestVault(source, store));
    cuts = await bench.cuts(6);
    await append(cuts);
    await keep();
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
    keepMachine(bench.vault, bench.source.machineId, { minCuts: 1, clock: fastClock, ...options });
  const tiersIn = async (folder: string) => {
    const tiers: Record<string, number> = {};
    for await (const { name, tier = 'none' } of store.list(''))
      if (name.includes(`/${folder}/`) || folder === 'all') tiers[tier] = (tiers[tier] ?? 0) + 1;
    return tiers;
  };

  it('are where old parts go, as they grow older, and nothing else does; all is read as before', async () => {
    await prepare(true);
    const { hot: parts } = (await tiersIn('parts')) as { hot: number };
    expect(parts).toBeGreaterThan(1);
    const policy = { tiers: { coolAfter: 30 * DAY, coldAfter: 90 * DAY } };
    expect((await keep(policy)).moved).toBe(0);
    now += 30 * DAY;
    const more = await bench.cuts(2);
    await append(more);
    // The clock of the store is known by what it holds: what is new shows how old the rest is.
    expect((await keep(policy)).moved).toBe(parts);
    expect((await tiersIn('parts')).cool).toBe(parts);
    expect((await keep(policy)).moved).toBe(0);
    const all = await tiersIn('all');
    expect(all.cool).toBe(parts);
    now += 60 * DAY;
    more.push(...(await bench.cuts(1)));
    await append(more.slice(-1));
    expect((await keep(policy)).moved).toBeGreaterThan(parts);
    expect((await tiersIn('parts')).cold).toBe(parts);
    expect(await compareAll(await bench.read(), [...cuts, ...more])).toBeUndefined();
    const { tiers } = (await storedAmounts(bench.vault, now + 60 * DAY)).get(bench.source.machineId)!;
    // Cold costs 90 days, of which 60 are over; what is cool is past its 30.
    expect(tiers.cold).toMatchObject({ objects: parts, byteDaysOwed: tiers.cold!.bytes * 30 });
    expect(tiers.cool!.byteDaysOwed).toBe(0);
  });

  it('are left alone without a policy, and where a store has none', async () => {
    await prepare(true);
    now += 400 * DAY;
    await append(await bench.cuts(1));
    await keep();
    expect(Object.keys(await tiersIn('all'))).toEqual(['hot']);
    await bench.close();
    await prepare(false);
    now += 400 * DAY;
    expect((await keep({ tiers: { coolAfter: DAY } })).moved).toBe(0);
    expect(Object.keys(await tiersIn('all'))).toEqual(['none']);
    expect((await storedAmounts(bench.vault)).get(bench.source.machineId)!.tiers).toEqual({});
  });
});
