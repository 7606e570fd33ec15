import { BLOCK_SIZE } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import { createMemoryStore, withFaults, withMetrics } from '@holdfast/object-store';
import { idText, type RunRef } from '@holdfast/protocol';
import { checkMachine } from './check-machine.ts';
import { compactMachine } from './compact-machine.ts';
import { runsToMerge } from './compaction.ts';
import { keepMachine } from './keep-machine.ts';
import { slotName } from './object-names.ts';
import { readMachine } from './read-machine.ts';
import { compareAll } from './testing/compare.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { createTestVault, throughStore } from './testing/open-test-vault.ts';
import { epochOf, type MadeCut, SimulatedSource } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

const SMALL = { limits: { size: 20_000, entries: 40 }, unitFrames: 8, fanIn: 4, minCuts: 1, clock: fastClock };

describe('compaction', () => {
  let bench: WriterBench;
  let machineId: string;
  beforeEach(async () => {
    bench = await WriterBench.create();
    ({ machineId } = bench.source);
  });
  afterEach(() => bench.close());

  const append = async (cuts: readonly MadeCut[]): Promise<void> => {
    const { writer } = await bench.open({ checkpoint: { slots: 1 } });
    for (const { content } of cuts) {
      await writer.append(content);
      await settled();
    }
  };

  it('changes nothing of any point, and releases the slots', async () => {
    const { source } = bench;
    const [first, second] = source.disks;
    const cuts: MadeCut[] = [];
    const cut = async (...options: Parameters<typeof source.cut>) => cuts.push(await source.cut(...options));
    for (let round = 0; round < 6; round += 1) {
      source.write(first!, round * 2, 4, round + 1);
      source.write(second!, 3, 1, round + 100);
      if (round === 2) source.change(first!, { offset: 5 * BLOCK_SIZE, length: BLOCK_SIZE, kind: 'unreadable' });
      if (round === 3) source.change(second!, { offset: 0, length: 4 * BLOCK_SIZE, kind: 'zero' });
      await cut({ packing: { extentsPerFrame: 2, codec: 'lz4' } });
    }
    // Shrinks in the middle of a block, then grows again.
    source.resize(second!, 18_000);
    await cut();
    source.resize(second!, 60_000);
    await cut();
    source.startGeneration(first!, epochOf(cuts[1]!, first!), cuts[1]!.expected.get(first!.id)!);
    await cut({ open: [first!] });
    source.write(first!, 1, 2, 5);
    await cut();
    source.startGeneration(second!);
    await cut();
    source.write(second!, 14, 1, 99);
    await cut();
    await append(cuts);

    const report = await compactMachine(bench.vault, machineId, SMALL);
    expect(report).toMatchObject({ outrun: false });
    expect(report.published).toBeGreaterThan(2);
    const history = await bench.read();
    const { catalogue } = history.catalogue!;
    expect(catalogue.compacted).toBe(catalogue.cuts);
    expect(catalogue.firstSlot).toBe(catalogue.covered);
    await bench.expectWhole(cuts);
    expect((await checkMachine(history)).findings).toEqual([]);
    // Without the slots that are not needed any more.
    for (let slot = 0; slot < Number(catalogue.firstSlot); slot += 1) await bench.store.delete(slotName(machineId, slot));
    await bench.expectWhole(cuts);
    expect((await checkMachine(await bench.read())).findings).toEqual([]);
    // Life goes on above.
    source.write(first!, 0, 3, 200);
    source.resize(second!, 50_000);
    const more = await source.cut();
    await append([more]);
    await bench.expectWhole([...cuts, more]);
  });

  it('keeps what the second compaction of a disk needs of the first', async () => {
    const cuts: MadeCut[] = [];
    for (let round = 0; round < 10; round += 1) {
      const made = await bench.cuts(3);
      cuts.push(...made);
      await append(made);
      await compactMachine(bench.vault, machineId, SMALL);
      await bench.expectWhole(cuts);
    }
    const { catalogue } = (await bench.read()).catalogue!;
    for (const { id } of bench.source.disks) {
      const runs = catalogue.runs.filter(({ diskId }) => idText(diskId) === id);
      expect(runs.length).toBeLessThan(7);
      expect(runs[0]!.firstCut).toBe(0n);
      for (const [i, run] of runs.entries()) expect(run.endCut).toBe(runs[i + 1]?.firstCut ?? catalogue.compacted);
    }
  });

  it('takes parts over as they are where nothing overlaps them', async () => {
    const [disk] = bench.source.disks;
    const cuts: MadeCut[] = [];
    for (let block = 0; block < 16; block += 4) {
      for (let at = block; at < block + 4; at += 1)
        bench.source.change(disk!, { offset: at * BLOCK_SIZE, length: BLOCK_SIZE, kind: 'data', data: noise(at) });
      cuts.push(await bench.source.cut({ packing: { extentsPerFrame: 1, codec: 'raw' } }));
    }
    await append(cuts);
    const options = { ...SMALL, unitFrames: 1, limits: { size: 16_000, entries: 1000 } };
    await compactMachine(bench.vault, machineId, options);
    const history = await bench.read();
    const [run] = history.catalogue!.catalogue.runs;
    expect(history.catalogue!.catalogue.runs).toHaveLength(1);
    expect((await history.levels.run(run!)).parts).toHaveLength(4);
    expect((await bench.objects('parts/')).length).toBe(4);
    await bench.expectWhole(cuts);
    // What was taken over is not deleted with the run that it was in.
    expect((await keepMachine(bench.vault, machineId, { ...options, grace: 0 })).deleted).toBeGreaterThan(3);
    await bench.expectWhole(cuts);
  });

  it('takes of versions that only forgotten points told apart the newest', async () => {
    const [disk] = bench.source.disks;
    const cuts: MadeCut[] = [];
    for (let round = 0; round < 6; round += 1) {
      bench.source.write(disk!, 0, 2 + (round % 3), round + 1);
      cuts.push(await bench.source.cut());
    }
    await append(cuts);
    const apart = { ...SMALL, unitFrames: 1, fanIn: 1000 };
    await keepMachine(bench.vault, machineId, { ...apart, thinAtOnce: 1, policy: { rules: [], atLeast: 1 } });
    const before = await bench.read();
    expect(before.points.map(({ id }) => id)).toEqual([cuts[5]!.pointId]);
    expect(before.catalogue!.catalogue.runs).toHaveLength(6);
    await compactMachine(bench.vault, machineId, { ...SMALL, fanIn: 2 });
    const after = await bench.read();
    expect(after.catalogue!.catalogue.runs).toHaveLength(1);
    expect(await compareAll(after, cuts)).toBeUndefined();
    expect((await checkMachine(after)).findings).toEqual([]);
  });

  it('of a cut that made a disk smaller hides what was there, also when it grows again in a later run', async () => {
    const [disk] = bench.source.disks;
    const cuts: MadeCut[] = [];
    bench.source.write(disk!, 0, 16, 7);
    cuts.push(await bench.source.cut());
    for (const size of [20_000, 64 * 1024]) {
      bench.source.resize(disk!, size);
      cuts.push(await bench.source.cut());
    }
    await append(cuts);
    await compactMachine(bench.vault, machineId, { ...SMALL, unitFrames: 1, fanIn: 1000 });
    await bench.expectWhole(cuts);
    await compactMachine(bench.vault, machineId, { ...SMALL, fanIn: 2 });
    await bench.expectWhole(cuts);
  });

  it('lets a view begin without reading what it does not need', async () => {
    const cuts = await bench.cuts(60);
    await append(cuts);
    await compactMachine(bench.vault, machineId, { minCuts: 1, clock: fastClock });
    const { store, metrics } = withMetrics(bench.store);
    const history = await readMachine(await throughStore(store), machineId);
    metrics.requests.read = 0;
    expect(await compareAll({ ...history, points: history.points.slice(-1) }, cuts)).toBeUndefined();
    // Of each disk a run, a part, its frames.
    expect(metrics.requests.read).toBeLessThan(2 * 9);
  });

  it('is refused when something is damaged, and publishes nothing', async () => {
    const cuts = await bench.cuts(6);
    await append(cuts);
    const name = slotName(machineId, 3);
    const content = Buffer.from(await bench.store.read(name));
    content[content.length - 20]! ^= 1;
    await bench.store.delete(name);
    await bench.store.create(name, content);
    const before = await bench.objects('catalogue/');
    await expect(compactMachine(bench.vault, machineId, { ...SMALL, unitFrames: 1000 })).rejects.toMatchObject({
      code: 'DAMAGED',
      thing: `${name}, frame 1`,
    });
    expect(await bench.objects('catalogue/')).toEqual(before);
  });

  it('publishes nothing that names an object which the store did not take', async () => {
    const cuts = await bench.cuts(6);
    await append(cuts);
    const before = await bench.objects('catalogue/');
    const full = new HoldfastError('STORE_UNAVAILABLE', { thing: 'x', why: 'it is full', remedy: 'make room' });
    for (const folder of ['/parts/', '/runs/']) {
      const refusing = withFaults(bench.store, ({ request, name }) =>
        request === 'create' && name.includes(folder) ? { before: full } : undefined,
      );
      await expect(compactMachine(await throughStore(refusing), machineId, SMALL)).rejects.toBe(full);
      expect(await bench.objects('catalogue/')).toEqual(before);
    }
    await bench.expectWhole(cuts);
    expect((await compactMachine(bench.vault, machineId, SMALL)).published).toBeGreaterThan(0);
  });

  it('releases no slot that a cut still needs which is not compacted', async () => {
    const cuts = await bench.cuts(8);
    await append(cuts);
    for (let step = 1; step < 8; step += 1) {
      await compactMachine(bench.vault, machineId, { ...SMALL, unitFrames: 1, steps: 1 });
      const { catalogue } = (await bench.read()).catalogue!;
      expect(Number(catalogue.firstSlot)).toBeLessThanOrEqual(Number(catalogue.compacted) + 1);
      for (let slot = 0; slot < Number(catalogue.firstSlot); slot += 1) await bench.store.delete(slotName(machineId, slot));
      await bench.expectWhole(cuts);
    }
    expect(Number((await bench.read()).catalogue!.catalogue.firstSlot)).toBeGreaterThan(3);
  });

  it('of somebody who slept until his work was taken for rubbish is not published', async () => {
    let now = 0;
    const source = new SimulatedSource([64 * 1024]);
    const store = createMemoryStore({ now: () => now });
    const site = new WriterBench(source, store, await createTestVault(source, store));
    const { writer } = await site.open({ checkpoint: { slots: 1 } });
    const cuts = await site.cuts(4);
    for (const { content } of cuts.slice(0, 3)) {
      await writer.append(content);
      await settled();
    }
    const asleep = Promise.withResolvers<void>();
    const fellAsleep = Promise.withResolvers<void>();
    const stalled = withFaults(store, ({ request, name }) => {
      if (request !== 'create' || !name.includes('/catalogue/')) return undefined;
      fellAsleep.resolve();
      return { stall: asleep.promise };
    });
    const sleeper = compactMachine(await throughStore(stalled), source.machineId, SMALL);
    await fellAsleep.promise;
    expect(await site.objects('parts/')).toHaveLength(1);
    // Two days later somebody clears away what nothing refers to.
    now += 2 * 86_400_000;
    await writer.append(cuts[3]!.content);
    await settled();
    expect(await keepMachine(site.vault, source.machineId, { minCuts: 1000, clock: fastClock })).toMatchObject({
      strays: 2,
      compactions: 0,
    });
    asleep.resolve();
    expect(await sleeper).toMatchObject({ outrun: true, published: 0 });
    await site.expectWhole(cuts);
    await site.close();
  });

  it('by two at the same time, beside a writer, ends in one truth', async () => {
    const cuts = await bench.cuts(20);
    await append(cuts.slice(0, 10));
    const { writer } = await bench.open({ checkpoint: { slots: 1 } });
    const appending = (async () => {
      for (const { content } of cuts.slice(10)) {
        await writer.append(content);
        await settled();
      }
    })();
    const reports = await Promise.all([1, 2, 3].map(() => compactMachine(bench.vault, machineId, SMALL)));
    await appending;
    expect(reports.some(({ published }) => published > 0)).toBe(true);
    expect(reports.some(({ outrun }) => outrun)).toBe(true);
    await bench.expectWhole(cuts);
  });
});

describe('runs that are due', () => {
  const due = (...sizes: number[]): number | undefined => runsToMerge(sizes.map((size) => ({ size: BigInt(size) }) as RunRef))?.length;

  it('are those of one size when there are six, and all when the newer ones outweigh the oldest', () => {
    expect(due(1, 1, 1, 1, 1)).toBeUndefined();
    expect(due(1, 1, 1, 1, 1, 1)).toBe(6);
    expect(due(1000, 6, 1, 1, 1, 1, 1)).toBeUndefined();
    expect(due(1000, 6, 1, 1, 1, 1, 1, 1)).toBe(6);
    expect(due(1000, 6, 6, 6, 6, 6, 6)).toBe(6);
    expect(due(90, 20, 20, 20, 20, 10)).toBe(6);
    expect(due(90, 20, 20, 20, 20, 9)).toBeUndefined();
    expect(due(1000, 100, 100, 3, 3, 3, 3)).toBeUndefined();
  });
});

const noise = (seed: number): Buffer => {
  let state = seed * 2_654_435_761 + 1;
  return Buffer.from(
    Uint8Array.from({ length: BLOCK_SIZE }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state >>> 16;
    }),
  );
};
