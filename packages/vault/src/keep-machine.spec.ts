import { HoldfastError } from '@holdfast/errors';
import { createMemoryStore, type FaultPlan, type ObjectStore, withFaults } from '@holdfast/object-store';
import { idText } from '@holdfast/protocol';
import { newestCatalogue } from './catalogue.ts';
import { checkMachine } from './check-machine.ts';
import { holdMachine, listHolds } from './hold.ts';
import { type KeepOptions, type KeepReport, keepMachine } from './keep-machine.ts';
import { openLogWriter } from './log-writer.ts';
import { catalogueName, historyName, partName, slotName } from './object-names.ts';
import { recordFailover, recordRelease } from './takeover.ts';
import { compareAll } from './testing/compare.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { createTestVault, throughStore } from './testing/open-test-vault.ts';
import { epochOf, type MadeCut, SimulatedSource } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SMALL = { limits: { size: 20_000, entries: 40 }, unitFrames: 16, fanIn: 4, minCuts: 1, thinAtOnce: 1, clock: fastClock };

describe('keeping a machine', () => {
  /** What the store's clock shows. */
  let now: number;
  let store: ObjectStore;
  let bench: WriterBench;
  let machineId: string;
  beforeEach(async () => {
    now = Date.UTC(2026, 0, 1);
    store = createMemoryStore({ now: () => now });
    const source = new SimulatedSource([64 * 1024, 50_000]);
    bench = new WriterBench(source, store, await createTestVault(source, store));
    ({ machineId } = source);
  });
  afterEach(() => bench.close());

  const append = async (cuts: readonly MadeCut[]): Promise<void> => {
    const { writer } = await bench.open({ checkpoint: { slots: 1 } });
    for (const { content } of cuts) {
      await writer.append(content);
      await settled();
    }
    await writer.close();
  };
  const keep = (options: KeepOptions = {}): Promise<KeepReport> =>
    keepMachine(bench.vault, machineId, { ...SMALL, policy: { rules: [], atLeast: 3 }, ...options });
  const pointIds = async (): Promise<string[]> => (await bench.read()).points.map(({ id }) => id);
  const ids = (cuts: readonly MadeCut[]): (string | undefined)[] => cuts.map(({ pointId }) => pointId);
  const names = async (): Promise<string[]> => (await bench.objects('')).map(({ name }) => name);

  it('goes on where the store does not let an object go yet, and tries again', async () => {
    await append(await bench.cuts(12));
    await keep();
    let isLocked = true;
    const locked = new HoldfastError('OBJECT_LOCKED', { thing: 'x', why: 'it is immutable', remedy: 'wait' });
    const isHeld = (name: string) => name.endsWith('000000000000') || name.includes('/history/');
    const plan: FaultPlan = ({ request, name }) => (isLocked && request === 'delete' && isHeld(name) ? { before: locked } : undefined);
    const vault = await throughStore(withFaults(store, plan));
    now += DAY;
    await append(await bench.cuts(1));
    const keepThere = () => keepMachine(vault, machineId, { ...SMALL, policy: { rules: [], atLeast: 100 } });
    const first = await keepThere();
    expect(first.locked).toBeGreaterThan(1);
    const [slot] = (await names()).filter((name) => name.includes('/log/'));
    expect(slot).toMatch(/0{12}$/);
    expect((await keepThere()).locked).toBeGreaterThan(1);
    isLocked = false;
    const then = await keepThere();
    expect(then).toMatchObject({ locked: 0 });
    expect(then.deleted).toBeGreaterThan(1);
    expect(await names()).not.toContain(slot);
    expect((await bench.read()).damage).toEqual([]);
  });

  it('forgets points, and deletes what they needed only after the grace', async () => {
    const cuts = await bench.cuts(12);
    await append(cuts);
    const report = await keep();
    expect(report).toMatchObject({ thinned: 9, deleted: 0, suspended: undefined });
    expect(await pointIds()).toEqual(ids(cuts.slice(-3)));
    const before = await names();
    now += DAY - 1;
    await append(await bench.cuts(1));
    expect((await keep()).deleted).toBe(0);
    expect((await names()).length).toBeGreaterThan(before.length);

    now += 2;
    const more = await bench.cuts(1);
    await append(more);
    expect((await keep()).deleted).toBeGreaterThan(10);
    expect(await names()).not.toContain(slotName(machineId, 3));
    // What was given up a day later goes a day later; then little is left.
    for (let day = 0; day < 3; day += 1) {
      now += DAY;
      cuts.push(...(await bench.cuts(1)));
      await append(cuts.slice(-1));
      await keep();
    }
    const lasting = (all: readonly string[]) => all.filter((name) => !/terms|catalogue/.test(name)).length;
    expect(lasting(await names())).toBeLessThan(lasting(before));
    expect(await pointIds()).toEqual(ids(cuts.slice(-3)));
    const history = await bench.read();
    expect(await compareAll(history, cuts)).toBeUndefined();
    expect((await checkMachine(history)).findings).toEqual([]);
  });

  it('keeps what is proven, held, or all there is, and goes on from every state that is told', async () => {
    const cuts = await bench.cuts(10);
    await append(cuts);
    const held = await holdMachine(bench.vault, machineId, { points: [cuts[4]!.pointId!], reason: 'failover', clock: fastClock });
    await keep({ keep: [cuts[1]!.pointId!] });
    expect(await pointIds()).toEqual(ids([cuts[1]!, cuts[4]!, ...cuts.slice(-3)]));
    // A new generation begins on a kept state, none on a forgotten one.
    const fork = cuts[1]!;
    for (const disk of bench.source.disks) bench.source.startGeneration(disk, epochOf(fork, disk), fork.expected.get(disk.id)!);
    const forked = await bench.source.cut();
    await append([forked]);
    for (const disk of bench.source.disks) bench.source.startGeneration(disk, epochOf(cuts[2]!, disk), cuts[2]!.expected.get(disk.id)!);
    const { writer } = await bench.open();
    await expect(writer.append((await bench.source.cut()).content)).rejects.toMatchObject({
      code: 'PROTOCOL_VIOLATION',
      why: 'its parent was thinned',
    });
    // What was forgotten is known to have been there.
    await writer.append(cuts[0]!.content);
    await held.release();
    await keep();
    expect(await pointIds()).toEqual(ids([fork, ...cuts.slice(-2), forked]));
    expect(await compareAll(await bench.read(), [...cuts, forked])).toBeUndefined();
  });

  it('forgets no state that a generation in the tail begins on, and a writer at work begins on none that is forgotten', async () => {
    const cuts = await bench.cuts(10);
    await append(cuts.slice(0, 9));
    const { writer } = await bench.open();
    await writer.append(cuts[9]!.content);
    const fork = cuts[2]!;
    for (const disk of bench.source.disks) bench.source.startGeneration(disk, epochOf(fork, disk), fork.expected.get(disk.id)!);
    const forked = await bench.source.cut();
    await writer.append(forked.content);
    // The catalogue knows nothing of the new generations yet.
    expect((await bench.read()).catalogue!.catalogue.cuts).toBe(9n);
    expect((await keep()).thinned).toBeGreaterThan(3);
    expect(await compareAll(await bench.read(), [...cuts, forked])).toBeUndefined();
    expect(await pointIds()).toContain(fork.pointId);

    for (const disk of bench.source.disks) bench.source.startGeneration(disk, epochOf(cuts[4]!, disk), cuts[4]!.expected.get(disk.id)!);
    const late = await bench.source.cut();
    await expect(writer.append(late.content)).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION', why: 'its parent was thinned' });
    for (const disk of bench.source.disks) bench.source.startGeneration(disk, epochOf(forked, disk), forked.expected.get(disk.id)!);
    const good = await bench.source.cut();
    await writer.append(good.content);
    expect(await compareAll(await bench.read(), [...cuts, forked, good])).toBeUndefined();
  });

  it('leaves what a hold needs, until it is released or ends by the clock of the store', async () => {
    const cuts = await bench.cuts(6);
    await append(cuts);
    const forever = await holdMachine(bench.vault, machineId, { reason: 'a reader', clock: fastClock });
    const brief = await holdMachine(bench.vault, machineId, { reason: 'another', lasts: 3 * DAY, clock: fastClock });
    expect((await listHolds(bench.vault, machineId)).map(({ reason }) => reason).sort()).toEqual(['a reader', 'another']);
    await keep();
    const later = async (): Promise<number> => {
      now += 2 * DAY;
      await append(await bench.cuts(1));
      return (await keep()).deleted;
    };
    await later();
    // The reader reads what was forgotten long ago.
    expect(await compareAll(forever.history, cuts)).toBeUndefined();
    await forever.release();
    expect(await listHolds(bench.vault, machineId)).toMatchObject([{ id: brief.id }]);
    expect(await later()).toBeGreaterThan(0);
    await expect(compareAll(forever.history, cuts)).rejects.toMatchObject({ code: 'DAMAGED' });
  });

  it('forgets no state that is not in runs yet', async () => {
    const cuts = await bench.cuts(11);
    await append(cuts.slice(0, 8));
    await keep({ policy: { rules: [], atLeast: 100 } });
    await append(cuts.slice(8));
    expect((await keep({ policy: { rules: [], atLeast: 1 }, minCuts: 1000 })).thinned).toBeGreaterThan(3);
    expect(await pointIds()).toEqual(ids(cuts.slice(7)));
    expect(await compareAll(await bench.read(), cuts)).toBeUndefined();
  });

  it('leaves the version of the catalogue that a hold is on, however many come after it', async () => {
    await append(await bench.cuts(3));
    const hold = await holdMachine(bench.vault, machineId, { reason: 'a reader', clock: fastClock });
    const held = catalogueName(machineId, hold.history.catalogue!.version);
    const pass = async (rounds: number): Promise<void> => {
      for (let round = 0; round < rounds; round += 1) {
        now += 2 * DAY;
        await append(await bench.cuts(1));
        await keep();
      }
    };
    await pass(8);
    expect(await names()).toContain(held);
    await hold.release();
    await pass(4);
    expect(await names()).not.toContain(held);
  });

  it('is seen by who holds: what was published before the hold was there is held as well', async () => {
    await append(await bench.cuts(6));
    let isFirst = true;
    const before: FaultPlan = ({ request, name }) => {
      if (request !== 'create' || !name.includes('/holds/') || !isFirst) return undefined;
      isFirst = false;
      return { stall: keep().then(() => {}) };
    };
    const hold = await holdMachine(await throughStore(withFaults(store, before)), machineId, { reason: 'a reader', clock: fastClock });
    expect(isFirst).toBe(false);
    expect(hold.history.catalogue!.version).toBe((await newestCatalogue(bench.vault, machineId)).newest!.version);
    expect(await listHolds(bench.vault, machineId)).toHaveLength(1);
  });

  it('forgets nothing while a disk is copied, while failed over, or when somebody says so', async () => {
    const cuts = await bench.cuts(8);
    await append(cuts);
    expect(await keep({ suspended: true })).toMatchObject({ thinned: 0, suspended: 'somebody suspended it' });
    const operationId = 'cd'.repeat(16);
    await recordFailover(bench.vault, machineId, { operationId, pointId: cuts[0]!.pointId! });
    expect((await keep()).suspended).toContain('failed over');
    await recordRelease(bench.vault, machineId, { operationId });
    const [disk] = bench.source.disks;
    bench.source.startGeneration(disk!, epochOf(cuts[7]!, disk!), cuts[7]!.expected.get(disk!.id)!);
    await append([await bench.source.cut({ open: [disk!] })]);
    expect((await keep()).suspended).toContain(`disk ${disk!.id} is being copied`);
    expect(await pointIds()).toEqual(ids(cuts));
    const closing = await bench.source.cut();
    await append([closing]);
    expect((await keep()).thinned).toBeGreaterThan(4);
  });

  it('deletes nothing while something needed is missing', async () => {
    const cuts = await bench.cuts(6);
    await append(cuts);
    await keep();
    const { catalogue } = (await bench.read()).catalogue!;
    const { parts } = await (await bench.read()).levels.run(catalogue.runs[0]!);
    await store.delete(partName(machineId, idText(parts[0]!.object!.id)));
    now += 2 * DAY;
    await append(await bench.cuts(1));
    const before = (await names()).filter((name) => !name.includes('/catalogue/')).length;
    await expect(keep({ minCuts: 1000 })).rejects.toMatchObject({
      code: 'DAMAGED',
      why: expect.stringContaining('nothing is forgotten or deleted'),
    });
    expect((await names()).filter((name) => !name.includes('/catalogue/'))).toHaveLength(before);
  });

  it('clears away what somebody left who died, in two steps', async () => {
    await append(await bench.cuts(4));
    const stray = historyName(machineId, 'ee'.repeat(16));
    await store.create(stray, Buffer.from('left behind'));
    expect((await keep()).strays).toBe(0);
    for (const expected of [1, 0]) {
      now += DAY + 1;
      await append(await bench.cuts(1));
      expect((await keep()).strays).toBe(expected);
    }
    expect(await names()).not.toContain(stray);
  });

  it('over a year, a month of it away, holds what the policy says and grows no further', async () => {
    const { source } = bench;
    const cuts: MadeCut[] = [];
    let time = Date.UTC(2026, 0, 1);
    const sizes: number[] = [];
    for (let day = 0; day < 365; day += 1) {
      // Away in April: nothing is written, the keeper works on.
      const isAway = day >= 90 && day < 120;
      if (!isAway) {
        const writer = await openLogWriter(bench.vault, machineId, { clock: fastClock, checkpoint: { slots: 4 } });
        for (let round = 0; round < 2; round += 1) {
          for (const disk of source.disks) source.write(disk, (day * 2 + round) % 10, 2, ((day + round) % 250) + 1);
          const made = await source.cut({ time: time + round * 12 * HOUR });
          cuts.push(made);
          await writer.append(made.content);
        }
        await settled();
        await writer.close();
      }
      time += DAY;
      now = time;
      if (day % 3 !== 2) continue;
      const points = (await bench.read()).points.length;
      const { thinned } = await keepMachine(bench.vault, machineId, { ...SMALL, policy: '15d', thinAtOnce: 8 });
      if (day > 93 && isAway) expect([thinned, (await bench.read()).points.length]).toEqual([0, points]);
      if (day % 72 === 71) sizes.push((await names()).length);
    }
    const history = await bench.read();
    const ages = history.points.map(({ time: at }) => (history.points.at(-1)!.time - at) / DAY);
    // The keeper comes every third day: what it finds is then for as long in the vault as nobody can say.
    expect(Math.max(...ages)).toBeLessThan(15 + 3 + 5);
    expect(ages.filter((age) => age < 3).length).toBeGreaterThanOrEqual(6);
    expect(history.points.length).toBeLessThan(6 + 12 + 8 + 6 + 5);
    expect(Math.max(...sizes.slice(2))).toBeLessThan(sizes[1]! * 1.5 + 365);
    expect(await compareAll(history, cuts)).toBeUndefined();
    expect((await checkMachine(history)).findings).toEqual([]);
    expect((await newestCatalogue(bench.vault, machineId)).newest!.catalogue.history.length).toBeLessThan(12);
  }, 300_000);
});
