import { createMemoryStore, forwardStore, type ObjectStore, storeUnavailable, withFaults, withMetrics } from '@holdfast/object-store';
import { newestCatalogue } from './catalogue.ts';
import { openLogWriter } from './log-writer.ts';
import { catalogueName, slotName } from './object-names.ts';
import { readMachine } from './read-machine.ts';
import { recordFailover, recordRelease } from './takeover.ts';
import { compareAll } from './testing/compare.ts';
import { settled } from './testing/fast-clock.ts';
import { throughStore } from './testing/open-test-vault.ts';
import { withPatched } from './testing/patched-store.ts';
import type { MadeCut } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

const copyWithout = async (store: ObjectStore, gone: (name: string) => boolean): Promise<ObjectStore> => {
  const copy = createMemoryStore();
  for await (const { name } of store.list('')) if (!gone(name)) await copy.create(name, await store.read(name));
  return copy;
};

/** A store whose list shows the first catalogue version whatever it holds. */
const throughList = (store: ObjectStore): ObjectStore => ({
  ...forwardStore(store),
  async *list(prefix) {
    yield { name: `${prefix}${'9'.repeat(11)}8`, size: 1, created: 0 };
  },
  close: async () => {},
});

describe('checkpoints', () => {
  let bench: WriterBench;
  let machineId: string;
  beforeEach(async () => {
    bench = await WriterBench.create();
    ({ machineId } = bench.source);
  });
  afterEach(() => bench.close());

  const appendEach = async (cuts: readonly MadeCut[], slots: number): Promise<void> => {
    const { writer } = await bench.open({ checkpoint: { slots } });
    for (const { content } of cuts) {
      await writer.append(content);
      await settled();
    }
  };

  it('say what the log says, to readers and to writers', async () => {
    const cuts = await bench.cuts(40);
    await appendEach(cuts, 7);
    const history = await bench.read();
    expect(Number(history.catalogue!.catalogue.covered)).toBeGreaterThan(30);
    await bench.expectWhole(cuts);
    // The same with the catalogue left out of account.
    const plain = await readMachine(await throughStore(await copyWithout(bench.store, (name) => name.includes('/catalogue/'))), machineId);
    for (const field of ['head', 'heads', 'failedOver', 'points', 'manifests', 'generations'] as const)
      expect(history[field]).toEqual(plain[field]);
    const { writer } = await bench.open();
    expect(writer.heads).toEqual(history.heads);
    // A cut that only the catalogue tells of is known; one that follows is appended.
    expect(await writer.append(cuts[3]!.content)).toEqual(writer.head);
    const [next] = await bench.cuts(1);
    await writer.append(next!.content);
    await bench.expectWhole([...cuts, next!]);
  });

  it('keep opening cheap: few requests for many slots', async () => {
    const cuts = await bench.cuts(600);
    const seen: MadeCut[] = [];
    const { writer } = await bench.open({ checkpoint: { slots: 16 } });
    for (const cut of cuts) {
      await writer.append(cut.content);
      seen.push(cut);
    }
    await settled();
    const { store, metrics } = withMetrics(bench.store);
    const vault = await throughStore(store);
    metrics.requests.read = 0;
    metrics.requests.list = 0;
    const history = await readMachine(vault, machineId);
    expect(history.points).toHaveLength(600);
    const { catalogue } = history.catalogue!;
    const tail = history.head.sequence + 1 - Number(catalogue.covered);
    expect(catalogue.history.length).toBeLessThan(12);
    expect(tail).toBeLessThan(32);
    // Besides the tail, which is read ahead a little beyond its end.
    expect(metrics.requests.read + metrics.requests.list + metrics.requests.stat - tail).toBeLessThan(30 + 16);
  });

  it('make no slot below them needed to know the points, and are not needed themselves', async () => {
    const cuts = await bench.cuts(20);
    await appendEach(cuts, 5);
    const { catalogue } = (await bench.read()).catalogue!;
    const covered = Number(catalogue.covered);
    const copy = await copyWithout(bench.store, (name) => name < slotName(machineId, covered) && name.includes('/log/'));
    const history = await readMachine(await throughStore(copy), machineId);
    expect([history.damage, history.points.length]).toEqual([[], 20]);

    const damaged = await withPatched(bench.store, catalogueName(machineId, (await bench.read()).catalogue!.version), Buffer.alloc(500, 1));
    const older = await readMachine(await throughStore(damaged), machineId);
    expect(older.damage).toMatchObject([{ code: 'DAMAGED', object: expect.stringContaining('/catalogue/') }]);
    expect(older.points).toHaveLength(20);
    expect(await compareAll(older, cuts)).toBeUndefined();
    const lost = await readMachine(await throughStore(await copyWithout(bench.store, (name) => name.includes('/history/'))), machineId);
    expect(lost.damage).toMatchObject([{ code: 'DAMAGED', object: expect.stringContaining('/history/'), why: 'it was there and is gone' }]);
    expect(lost.points).toHaveLength(20);
  });

  it('keep what the log says of failover, terms and anchors', async () => {
    const cuts = await bench.cuts(4);
    await appendEach(cuts, 1);
    const operationId = 'ab'.repeat(16);
    await recordFailover(bench.vault, machineId, { operationId, pointId: cuts[1]!.pointId! });
    await expect(bench.open()).rejects.toMatchObject({ code: 'FENCED' });
    await recordRelease(bench.vault, machineId, { operationId });
    const anchor = (await bench.open({ checkpoint: { slots: 1 } })).writer.head;
    await settled();
    const { catalogue } = (await newestCatalogue(bench.vault, machineId)).newest!;
    expect(catalogue.failedOver).toBeUndefined();
    expect(Number(catalogue.fenceTerm)).toBe(anchor.term);
    expect((await readMachine(bench.vault, machineId, { anchor })).head).toEqual(anchor);
    expect((await bench.open({ anchor })).writer.term).toBe(anchor.term + 1);
    for (const wrong of [
      { ...anchor, tag: '00'.repeat(32) },
      { ...anchor, sequence: 99 },
    ]) {
      await expect(readMachine(bench.vault, machineId, { anchor: wrong })).rejects.toMatchObject({ code: 'VAULT_ROLLED_BACK' });
      await expect(bench.open({ anchor: wrong })).rejects.toMatchObject({ code: 'VAULT_ROLLED_BACK' });
    }
  });

  it('wait for the end of a cut that takes many slots', async () => {
    const [disk] = bench.source.disks;
    for (let block = 0; block < 9; block += 1) bench.source.write(disk!, block, 1, block + 1);
    const long = await bench.source.cut({ packing: { extentsPerFrame: 1, codec: 'raw' } });
    const { writer } = await bench.open({ segmentSize: 5000, checkpoint: { slots: 2 } });
    await writer.append(long.content);
    await settled();
    const { newest } = await newestCatalogue(bench.vault, machineId);
    const covered = Number(newest?.catalogue.covered ?? 0n);
    expect([0, 1, writer.head.sequence + 1]).toContain(covered);
    await bench.expectWhole([long]);
  });

  it('of two writers at once, and behind failing stores, never contradict the log', async () => {
    const cuts = await bench.cuts(12);
    const first = await bench.open({ checkpoint: { slots: 1 } });
    await Promise.all(cuts.slice(0, 6).map(({ content }) => first.writer.append(content)));
    // The first one's next publication hangs while the second one publishes, and lands in its place too late.
    const hanging = Promise.withResolvers<void>();
    first.plan = ({ request, name }) => (request === 'create' && name.includes('/catalogue/') ? { stall: hanging.promise } : undefined);
    await first.writer.append(cuts[6]!.content);
    await settled();
    const second = await bench.open({ checkpoint: { slots: 1 } });
    let failures = 0;
    second.plan = ({ request, name }) => {
      if (request !== 'create' || !/catalogue|history/.test(name) || failures > 3) return undefined;
      failures += 1;
      return failures % 2 === 0 ? { after: storeUnavailable(name, 'lost') } : { before: storeUnavailable(name, 'lost') };
    };
    for (const { content } of cuts.slice(7)) {
      await second.writer.append(content);
      await settled();
    }
    hanging.resolve();
    await settled();
    expect(failures).toBe(4);
    await bench.expectWhole(cuts);
    expect(Number((await newestCatalogue(bench.vault, machineId)).newest!.catalogue.covered)).toBe(second.writer.head.sequence + 1);
  });

  it('are found although the list lags, as long as it shows one of them', async () => {
    const cuts = await bench.cuts(10);
    await appendEach(cuts, 1);
    const { newest, highest } = await newestCatalogue(bench.vault, machineId);
    expect(highest).toBeGreaterThan(6);
    for (const shown of [0, 1, 3, highest]) {
      const lagging = withFaults(bench.store, () => ({
        hides: (name) => name.includes('/catalogue/') && name < catalogueName(machineId, shown),
      }));
      expect((await newestCatalogue({ ...bench.vault, store: lagging }, machineId)).newest).toEqual(newest);
    }
  });

  it('are not taken for missing when the list shows only one that was deleted', async () => {
    await appendEach(await bench.cuts(6), 1);
    const before = await copyWithout(bench.store, (name) => name.includes('/catalogue/') && name !== catalogueName(machineId, 1));
    await bench.store.delete(catalogueName(machineId, 1));
    // Its list is of long ago.
    const lagging = { ...bench.vault, store: throughList(before) };
    expect((await newestCatalogue(bench.vault, machineId)).highest).toBeGreaterThan(3);
    expect((await newestCatalogue({ ...bench.vault, store: before }, machineId)).highest).toBe(1);
    await before.delete(catalogueName(machineId, 1));
    await expect(newestCatalogue(lagging, machineId)).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      why: expect.stringContaining('version 1'),
    });
  });

  it('stop a writer that slept until its place in the log was released', async () => {
    const cuts = await bench.cuts(8);
    await appendEach(cuts.slice(0, 2), 1000);
    // The sleeper has read slots 0 to 2 and found number 3 missing, as it was then.
    const asleep = Promise.withResolvers<void>();
    const sleeping = withFaults(bench.store, ({ request, name }) =>
      request === 'list' && name.endsWith('/log/') ? { stall: asleep.promise } : undefined,
    );
    const sleeper = openLogWriter(await throughStore(sleeping), machineId);
    sleeper.catch(() => {});
    await settled();
    await appendEach(cuts.slice(0, 6), 1);
    const { catalogue } = (await bench.read()).catalogue!;
    for (let slot = 0; slot < Number(catalogue.covered); slot += 1) await bench.store.delete(slotName(machineId, slot));
    asleep.resolve();
    await expect(sleeper).rejects.toMatchObject({ code: 'FENCED' });
    expect((await bench.read()).points).toHaveLength(6);
  });
});
