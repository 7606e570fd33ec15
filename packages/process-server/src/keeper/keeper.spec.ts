import type { Log } from '@holdfast/daemon';
import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import {
  createVault,
  type KeepReport,
  keeperKeyOf,
  openLogWriter,
  readMachine,
  recordProof,
  registerMachine,
  type Vault,
} from '@holdfast/vault';
import type { ScriptedCut } from '../conformance/scripted-source.ts';
import { ScriptedSource } from '../conformance/scripted-source.ts';
import { verifyCuts } from '../conformance/verify-cuts.ts';
import type { Assignment } from '../control/assignments.ts';
import { createEvents } from '../control/events.ts';
import { createKeeper, type Keeper } from './keeper.ts';

const KEY = { kind: 'key-file', secret: Buffer.alloc(32, 3) } as const;
const silent = { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} } as unknown as Log;

describe('the keeper of a process server', () => {
  let store: ObjectStore;
  let vault: Vault;
  let source: ScriptedSource;
  let cuts: ScriptedCut[];
  let machines: Assignment[];
  let reports: KeepReport[];
  let current: Keeper;
  const events = createEvents();
  let time = Date.UTC(2026, 0, 1);
  /** What the clock of the store shows. */
  let stored: number;

  beforeEach(async () => {
    stored = Date.UTC(2026, 0, 1);
    store = createMemoryStore({ locks: true, now: () => stored });
    vault = await createVault(store, { name: 'test', keys: [KEY] });
    // A point every 20 minutes for three days.
    source = new ScriptedSource({ size: 64 * 1024, interval: 1200 });
    await registerMachine(vault, { id: source.machineId, name: 'db1' });
    cuts = [];
    await append(216);
    machines = [
      { machineId: source.machineId, machineName: 'db1', vault: 'main', seenTerm: 0, retention: '24h', sealInterval: 0, rpoThreshold: 0 },
    ];
    reports = [];
  });
  afterEach(() => vault.close());

  const append = async (count: number): Promise<void> => {
    const writer = await openLogWriter(vault, source.machineId, { checkpoint: { slots: 1 } });
    for (let n = 0; n < count; n += 1) {
      source.scribble(1);
      const cut = await source.cut();
      cuts.push(cut);
      await writer.append(cut.content);
    }
    await writer.close();
  };
  /** With a keeper at work all the time: retention counts no age that nobody saw. */
  const live = async (hours: number, more: Parameters<typeof run>[2] = {}): Promise<void> => {
    for (let hour = 0; hour < hours; hour += 1) {
      stored += 3_600_000;
      await append(3);
      await run('keep', 1, more);
    }
  };

  const run = async (work: 'keep' | 'scrub', times: number, more: Partial<Parameters<typeof createKeeper>[0]> = {}): Promise<Keeper> => {
    const stop = new AbortController();
    let rounds = 0;

    current = createKeeper({
      machines: () => machines,
      vault: async () => vault,
      scrubbed: async () => vault,
      anchorOf: () => undefined,
      every: 1000,
      scrubEvery: 1000,
      tiers: {},
      log: silent,
      events,
      onKept: (report) => reports.push(report),
      now: () => time,
      sleep: async () => {
        rounds += 1;
        time += 10_000;
        if (rounds >= times) stop.abort();
      },
      ...more,
    });
    await current[work](stop.signal);
    return current;
  };

  it('compacts, and thins by the retention that the policy names, and locks what is left where it is told to', async () => {
    const lockFor = 24 * 3_600_000;
    await run('keep', 1, { lockFor });
    expect(reports[0]!.compactions).toBeGreaterThan(0);
    expect(reports[0]!.lockedAnew).toBeGreaterThan(3);
    await live(60, { lockFor });
    expect(reports.reduce((sum, { thinned }) => sum + thinned, 0)).toBeGreaterThan(300);
    await run('keep', 1, { lockFor });
    expect(reports.at(-1)).toMatchObject({ compactions: 0, thinned: 0 });
    const { points } = await readMachine(vault, source.machineId);
    // All of the last two hours, one of each hour of the day before; and what was not compacted yet.
    expect(points.length).toBeGreaterThanOrEqual(6 + 21);
    expect(points.length).toBeLessThan(6 + 26 + 64);
    const left = cuts.filter(({ pointId }) => points.some(({ id }) => id === pointId));
    expect(await verifyCuts(vault, source.machineId, source.diskId, left)).toBeUndefined();
    expect(events.take()).toEqual([]);
  });

  it('acts upon nothing that nobody vouched for, and says so once', async () => {
    const keyOf = (number: number) => async (id: string) => keeperKeyOf(Buffer.alloc(32, number), id);
    await run('keep', 2, { keeperKey: keyOf(1) });
    expect(reports[0]!.compactions).toBeGreaterThan(0);
    expect(events.take()).toEqual([]);
    const before = reports.length;
    const unbelieving = await run('keep', 2, { keeperKey: keyOf(2) });
    expect(unbelieving.notVouched(source.machineId)).toMatchObject({ code: 'VAULT_NOT_VOUCHED' });
    await run('keep', 2);
    expect(reports).toHaveLength(before);
    // Asked again with the right one.
    let number = 2;
    const changing = await run('keep', 4, { keeperKey: (id) => keyOf(Math.max(1, number--))(id) });
    expect(reports.length).toBeGreaterThan(before);
    expect(changing.notVouched(source.machineId)).toBeUndefined();
    events.take();
    await run('keep', 2, { keeperKey: keyOf(2) });
    await run('keep', 2);
    expect(events.take()).toMatchObject([{ code: 'VAULT_NOT_VOUCHED' }, { code: 'VAULT_NOT_VOUCHED' }]);
  });

  it('goes on with all but thinning where a proof cannot be read, and names it once', async () => {
    const words = new TextEncoder().encode('{}');
    const rest = { report: words, signature: words, publicKey: words, console: words, screenshot: words };
    await recordProof(vault, source.machineId, { pointId: cuts[0]!.pointId!, time: 1, passed: true, ...rest });
    let name = '';
    for await (const info of store.list(`m/${source.machineId}/proofs/`)) name = info.name;
    const content = Buffer.from(await store.read(name));
    content[8]! ^= 4;
    await store.delete(name);
    await store.create(name, content);
    await run('keep', 3);
    expect(reports.length).toBeGreaterThan(1);
    expect(reports[0]).toMatchObject({ thinned: 0 });
    expect(reports[0]!.compactions).toBeGreaterThan(0);
    const told = events.take();
    expect(told).toMatchObject([{ code: 'VAULT_VERSION_UNSUPPORTED', text: expect.stringContaining(name) }]);
    expect(told[0]!.text).toContain('could not be thinned');
  });

  it('thins by a grid of one’s own', async () => {
    machines = machines.map((machine) => ({ ...machine, retention: 'all 1h, 6h 2d' }));
    await live(70);
    const { points } = await readMachine(vault, source.machineId);
    // A point every twenty minutes; and what was not compacted yet.
    expect(points.length).toBeGreaterThanOrEqual(3 + 7);
    expect(points.length).toBeLessThan(3 + 9 + 64);
  });

  it('forgets nothing where no retention was named, or one that it does not know', async () => {
    for (const retention of ['', '7y']) {
      machines = machines.map((machine) => ({ ...machine, retention }));
      await run('keep', 1);
    }
    expect(reports.map(({ thinned, suspended }) => [thinned, suspended])).toEqual([
      [0, 'no retention is named'],
      [0, 'no retention is named'],
    ]);
    expect((await readMachine(vault, source.machineId)).points).toHaveLength(216);
  });

  it('forgets nothing any more of a machine from the moment on that it is not to be kept, whatever is under way', async () => {
    const list = store.list.bind(store);
    const listing = jest.spyOn(store, 'list').mockImplementation((prefix, ...rest) => {
      // The last it asks before it publishes what it forgets; only now the configuration server says that it has to be reconciled.
      if (prefix.includes('/holds/')) {
        machines = [];
        current.wake();
      }
      return list(prefix, ...rest);
    });
    await run('keep', 2);
    listing.mockRestore();
    expect(reports).toEqual([]);
    expect(events.take()).toEqual([]);
    expect((await readMachine(vault, source.machineId)).points).toHaveLength(216);
  });

  it('leaves a vault alone that was rolled back, says so once, and goes on with the others', async () => {
    const other = { ...machines[0]!, machineId: '77'.repeat(16) };
    machines = [...machines, other];
    const anchor = { sequence: 900, tag: 'ab'.repeat(32), term: 1 };
    await run('keep', 3, { anchorOf: (machineId) => (machineId === source.machineId ? anchor : undefined) });
    expect(reports).toEqual([]);
    const told = events.take();
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ code: 'VAULT_ROLLED_BACK', text: expect.stringContaining(source.machineId) });
    expect((await readMachine(vault, source.machineId)).points).toHaveLength(216);
  });

  it('does not ask the store all the time about machines that were read not long ago', async () => {
    const list = jest.spyOn(store, 'list');
    const asked = (): number => list.mock.calls.filter(([prefix]) => prefix.includes('scrub')).length;
    await run('scrub', 2, { scrubEvery: 86_400_000 });
    const first = asked();
    expect(first).toBeGreaterThan(0);
    await run('scrub', 400, { scrubEvery: 86_400_000 });
    // An hour and some, in steps of ten seconds.
    expect(asked() - first).toBeLessThanOrEqual(4);
    list.mockRestore();
  });

  it('reads everything again, and tells each thing that has rotted once, with what it costs', async () => {
    expect((await run('scrub', 1)).damaged).toBe(0);
    let name = '';
    for await (const info of store.list(`m/${source.machineId}/log/`)) name = info.name;
    const content = Buffer.from(await store.read(name));
    content[content.length - 20]! ^= 1;
    await store.delete(name);
    await store.create(name, content);
    const keeper = await run('scrub', 3);
    expect(keeper.damaged).toBe(1);
    const told = events.take();
    expect(told).toHaveLength(1);
    expect(told[0]!.text).toContain(name);
    expect(told[0]!.text).toMatch(new RegExp(`disk ${source.diskId}.*; 1 points? show`));
  });
});
