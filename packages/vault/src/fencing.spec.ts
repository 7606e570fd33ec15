import type { StoreCall } from '@holdfast/object-store';
import { newId } from '@holdfast/protocol';
import { checkMachine } from './check-machine.ts';
import { CutReader } from './cut-reader.ts';
import { EMPTY_LOG } from './head.ts';
import { machineName, slotName, termName } from './object-names.ts';
import { readMachine } from './read-machine.ts';
import { SegmentBatch } from './segment-batch.ts';
import { SlotPipeline } from './slot-pipeline.ts';
import { recordFailover, recordRelease } from './takeover.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { throughStore } from './testing/open-test-vault.ts';
import { withPatched } from './testing/patched-store.ts';
import { WriterBench } from './testing/writer-bench.ts';

const isSlotCreate = ({ request, name }: StoreCall): boolean => request === 'create' && name.includes('/log/');

describe('two writers', () => {
  let bench: WriterBench;
  beforeEach(async () => {
    bench = await WriterBench.create();
  });
  afterEach(() => bench.close());

  /** Stalls each slot's create at a gate of its own. */
  const gated = () => {
    const gates = new Map<string, PromiseWithResolvers<void>>();
    const asked: string[] = [];
    const gateOf = (name: string): PromiseWithResolvers<void> => {
      const gate = gates.get(name) ?? Promise.withResolvers<void>();
      gates.set(name, gate);
      return gate;
    };
    return {
      /** Last digits of the slots that creates were sent for. */
      asked,
      plan: (call: StoreCall) => {
        if (!isSlotCreate(call)) return undefined;
        asked.push(call.name.slice(-1));
        return { stall: gateOf(call.name).promise };
      },
      release: async (sequence: number): Promise<void> => {
        gateOf(slotName(bench.source.machineId, sequence)).resolve();
        await settled();
      },
    };
  };

  it('the older one is fenced at its next append, and stays so', async () => {
    const cuts = await bench.cuts(3);
    const { writer: older } = await bench.open();
    await older.append(cuts[0]!.content);
    const { writer: newer } = await bench.open();
    await expect(older.append(cuts[1]!.content)).rejects.toMatchObject({ code: 'FENCED', why: expect.stringContaining('term 2') });
    await expect(older.append(cuts[1]!.content)).rejects.toMatchObject({ code: 'FENCED' });
    for (const { content } of cuts) await newer.append(content);
    await bench.expectWhole(cuts);
  });

  it('a slot that landed before the fence is adopted, and its cut is not lost although nobody said durable', async () => {
    const cuts = await bench.cuts(2);
    const older = await bench.open();
    older.plan = ({ request }) => (request === 'stat' ? { stall: new Promise(() => {}) } : undefined);
    void older.writer.append(cuts[0]!.content).catch(() => {});
    await settled();
    const { writer: newer } = await bench.open();
    expect(newer.heads.get(bench.source.disks[0]!.id)).toMatchObject({ number: 0 });
    for (const { content } of cuts) await newer.append(content);
    await bench.expectWhole(cuts);
  });

  it('a slot that lands while the newer one writes its fence is adopted too', async () => {
    const cuts = await bench.cuts(1);
    const older = await bench.open();
    const append = older.writer.append(cuts[0]!.content).catch((reason: unknown) => reason);
    let raced = false;
    const { writer: newer } = await bench.open({}, (call) => {
      if (!isSlotCreate(call) || raced) return undefined;
      raced = true;
      return { stall: append.then(() => {}) };
    });
    // It was durable, or it was fenced: in both cases it is in the log now.
    await append;
    expect(newer.heads.get(bench.source.disks[0]!.id)).toMatchObject({ number: 0 });
    await newer.append(cuts[0]!.content);
    await bench.expectWhole(cuts);
  });

  it('what an older one leaves behind its missing slot is stepped over, and sealed again around', async () => {
    const cuts = await bench.cuts(9);
    const older = await bench.open({ inFlight: 4 });
    const gates = gated();
    older.plan = gates.plan;
    const lost = [];
    for (const { content } of cuts.slice(0, 4)) {
      lost.push(older.writer.append(content).catch((reason: { code: string }) => reason.code));
      await settled();
    }
    // Slot 1 is missing when 2 and 4 have landed; 3 lands later.
    await gates.release(2);
    await gates.release(4);
    const newer = await bench.open({ inFlight: 4 });
    expect(newer.writer.head.sequence).toBe(1);
    const appends = [];
    for (const { content } of cuts) {
      appends.push(newer.writer.append(content));
      await settled();
    }
    await gates.release(3);
    await gates.release(1);
    const durable = await Promise.all(appends);
    expect(durable.map(({ sequence }) => sequence)).toEqual([...durable.map(({ sequence }) => sequence)].sort((a, b) => a - b));
    expect(await Promise.all(lost)).toEqual(Array(4).fill('FENCED'));
    await bench.expectWhole(cuts);
    const report = await checkMachine(await bench.read());
    expect(report.findings).toEqual([]);
    expect(report.orphans).toBeGreaterThanOrEqual(2);
  });

  it('one that is overtaken while it takes over gives up', async () => {
    const gates = gated();
    const middle = bench.open({}, gates.plan).catch((reason: unknown) => reason);
    await settled();
    const { writer: newest } = await bench.open();
    expect(newest.term).toBe(2);
    await gates.release(0);
    expect(await middle).toMatchObject({ code: 'FENCED', why: expect.stringContaining('term 2') });
    const cuts = await bench.cuts(1);
    await newest.append(cuts[0]!.content);
    await bench.expectWhole(cuts);
  });

  it('several in flight behind an orphan go again, in order, behind everything that was taken', async () => {
    const cuts = await bench.cuts(4);
    const older = await bench.open({ inFlight: 4 });
    const gates = gated();
    older.plan = gates.plan;
    for (const { content } of cuts.slice(0, 2)) {
      void older.writer.append(content).catch(() => {});
      await settled();
    }
    await gates.release(2);
    const newer = await bench.open({ inFlight: 4 });
    const newerGates = gated();
    newer.plan = newerGates.plan;
    const appends = [];
    for (const { content } of cuts) {
      appends.push(newer.writer.append(content));
      await settled();
    }
    // Fence in 1; its cuts were sent to 2, 3, 4, 5, and 2 is the older one's. Nothing goes again before 3, 4, 5 are definite.
    for (const sequence of [2, 5, 3]) await newerGates.release(sequence);
    expect(newerGates.asked).toEqual(['2', '3', '4', '5']);
    await newerGates.release(4);
    expect(newerGates.asked.slice(4)).toEqual(['6', '7', '8', '9']);
    for (const sequence of [6, 7, 8, 9]) await newerGates.release(sequence);
    expect((await Promise.all(appends)).map(({ sequence }) => sequence)).toEqual([6, 7, 8, 9]);
    await bench.expectWhole(cuts);
    expect(await checkMachine(await bench.read())).toMatchObject({ findings: [], orphans: 4, strays: 0 });
  });
});

describe('copies of one writer', () => {
  let bench: WriterBench;
  beforeEach(async () => {
    bench = await WriterBench.create();
  });
  afterEach(() => bench.close());

  it('share a term, and the one that comes second to a slot is fenced', async () => {
    const cuts = await bench.cuts(2);
    const { vault, source } = bench;
    const { writer } = await bench.open();
    const key = await vault.keys.keyOf(source.machineId, 1);
    // What a snapshot of the machine, taken now and started again later, knows.
    const copy = new SlotPipeline({
      vault,
      machineId: source.machineId,
      term: writer.term,
      keyEpoch: 1,
      key,
      head: writer.head,
      clock: fastClock,
      inFlight: 4,
    });
    await writer.append(cuts[0]!.content);
    const batch = new SegmentBatch(1);
    await new CutReader(cuts[1]!.content).fill(batch);
    const outcome = new Promise((onDurable, onFailed) => copy.submit({ batch, onDurable, onFailed }));
    await expect(outcome).rejects.toMatchObject({ code: 'FENCED', why: expect.stringContaining('runs twice') });
    await writer.append(cuts[1]!.content);
    await bench.expectWhole(cuts);
  });

  it('are noticed when they take over, too: nobody else has slots of a term that is new', async () => {
    const [cut] = await bench.cuts(1);
    const { writer } = await bench.open();
    await writer.append(cut!.content);
    await bench.store.delete(termName(bench.source.machineId, 1));
    await expect(bench.open()).rejects.toMatchObject({ code: 'FENCED', why: expect.stringContaining('runs twice') });
    expect(await bench.objects('log/')).toHaveLength(2);
  });
});

describe('failover', () => {
  let bench: WriterBench;
  beforeEach(async () => {
    bench = await WriterBench.create();
  });
  afterEach(() => bench.close());

  it('shuts writers out until it is released', async () => {
    const { machineId } = bench.source;
    const cuts = await bench.cuts(3);
    const { writer } = await bench.open();
    await writer.append(cuts[0]!.content);
    const [operationId, pointId] = [newId(), cuts[0]!.pointId!];
    const record = await recordFailover(bench.vault, machineId, { operationId, pointId, seenTerm: 5 });
    expect(record).toMatchObject({ term: 6, sequence: 2 });
    await expect(writer.append(cuts[1]!.content)).rejects.toMatchObject({ code: 'FENCED' });

    const before = await bench.objects('');
    for (let attempt = 0; attempt < 2; attempt += 1)
      await expect(bench.open()).rejects.toMatchObject({ code: 'FENCED', why: expect.stringContaining(`failed over to point ${pointId}`) });
    expect(await bench.objects('')).toEqual(before);
    const history = await bench.read();
    expect(history.failedOver).toEqual({ operationId, pointId });
    expect(history.head).toEqual(record);

    await recordRelease(bench.vault, machineId, { operationId });
    expect((await bench.read()).failedOver).toBeUndefined();
    const { writer: next } = await bench.open();
    for (const { content } of cuts) await next.append(content);
    await bench.expectWhole(cuts);
  });

  it('belongs to its operation: no other ends or replaces it, and there must be the point', async () => {
    const { machineId } = bench.source;
    const [first, second] = await bench.cuts(2);
    const { writer } = await bench.open();
    for (const { content } of [first!, second!]) await writer.append(content);
    const [earlier, later] = [newId(), newId()];
    await recordFailover(bench.vault, machineId, { operationId: earlier, pointId: first!.pointId! });
    await recordRelease(bench.vault, machineId, { operationId: earlier });
    await recordFailover(bench.vault, machineId, { operationId: later, pointId: second!.pointId! });

    const before = await bench.objects('');
    await expect(recordRelease(bench.vault, machineId, { operationId: earlier })).rejects.toMatchObject({ code: 'FENCED' });
    const again = { operationId: earlier, pointId: first!.pointId! };
    await expect(recordFailover(bench.vault, machineId, again)).rejects.toMatchObject({ code: 'FENCED' });
    const nowhere = { operationId: later, pointId: newId() };
    await expect(recordFailover(bench.vault, machineId, nowhere)).rejects.toMatchObject({ code: 'POINT_NOT_FOUND' });
    expect(await bench.objects('')).toEqual(before);
    expect((await bench.read()).failedOver).toEqual({ operationId: later, pointId: second!.pointId });
    await recordRelease(bench.vault, machineId, { operationId: later });
    await recordRelease(bench.vault, machineId, { operationId: later });
    await bench.open();
  });

  it('belongs to its latest attempt, also when an earlier one had looked before that wrote', async () => {
    const { machineId } = bench.source;
    const [first, second] = await bench.cuts(2);
    const { writer } = await bench.open();
    for (const { content } of [first!, second!]) await writer.append(content);
    const operationId = newId();
    const attempt = (number: number, { pointId } = first!) =>
      recordFailover(bench.vault, machineId, { operationId, pointId: pointId!, attempt: number });
    await attempt(5);
    await attempt(6, second);
    for (const replaced of [5, 0])
      await expect(attempt(replaced)).rejects.toMatchObject({ code: 'FENCED', why: expect.stringContaining('attempt 6') });
    expect((await bench.read()).failedOver).toEqual({ operationId, pointId: second!.pointId, attempt: 6 });
    await attempt(6);
    await attempt(7);
    expect((await bench.read()).failedOver).toEqual({ operationId, pointId: first!.pointId, attempt: 7 });
  });

  it('refuses ids that are none', async () => {
    const { machineId } = bench.source;
    await expect(recordFailover(bench.vault, machineId, { operationId: 'x', pointId: newId() })).rejects.toMatchObject({
      code: 'SETTING_INVALID',
    });
    await expect(recordRelease(bench.vault, newId(), { operationId: newId() })).rejects.toMatchObject({ code: 'MACHINE_NOT_FOUND' });
  });
});

describe('anchor', () => {
  it('finds a log that was set back, for readers and for writers', async () => {
    const bench = await WriterBench.create();
    const { machineId } = bench.source;
    const cuts = await bench.cuts(4);
    const { writer } = await bench.open();
    const anchors = [EMPTY_LOG, writer.head];
    for (const { content } of cuts) anchors.push(await writer.append(content));
    for (const anchor of anchors) await expect(readMachine(bench.vault, machineId, { anchor })).resolves.toBeDefined();

    for (const sequence of [3, 4]) await bench.store.delete(slotName(machineId, sequence));
    for (const [index, anchor] of anchors.entries()) {
      const read = readMachine(bench.vault, machineId, { anchor });
      if (index < 4) await expect(read).resolves.toBeDefined();
      else await expect(read).rejects.toMatchObject({ code: 'VAULT_ROLLED_BACK', why: expect.stringContaining('it ends at slot 2') });
    }
    const before = await bench.objects('');
    await expect(bench.open({ anchor: anchors[5]! })).rejects.toMatchObject({ code: 'VAULT_ROLLED_BACK' });
    // Not even a term was taken: a writer that works is not fenced out.
    expect(await bench.objects('')).toEqual(before);

    // A damaged registration does not hide it.
    const name = machineName(machineId);
    const flipped = Buffer.from(await bench.store.read(name));
    flipped[flipped.length - 1]! ^= 1;
    const patched = await throughStore(await withPatched(bench.store, name, flipped));
    await expect(readMachine(patched, machineId, { anchor: anchors[5]! })).rejects.toMatchObject({ code: 'VAULT_ROLLED_BACK' });
    expect((await readMachine(patched, machineId, { anchor: anchors[3]! })).damage).toHaveLength(1);

    // Another history grew in the place of the lost one.
    const { writer: next } = await bench.open({ anchor: anchors[3]! });
    for (const { content } of cuts) await next.append(content);
    await expect(readMachine(bench.vault, machineId, { anchor: anchors[4]! })).rejects.toMatchObject({
      code: 'VAULT_ROLLED_BACK',
      why: expect.stringContaining('another slot is in that place'),
    });
    await bench.close();
  });
});
