import { randomBytes } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import { type FaultPlan, type StoreCall, seededFaults, storeUnavailable } from '@holdfast/object-store';
import { idBytes, ManifestSchema, newId } from '@holdfast/protocol';
import { openLogWriter } from './log-writer.ts';
import { slotName, termName } from './object-names.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { throughStore } from './testing/open-test-vault.ts';
import { contentOf, type MadeCut } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

const isSlotCreate = ({ request, name }: StoreCall): boolean => request === 'create' && name.includes('/log/');

describe('log writer', () => {
  let bench: WriterBench;
  beforeEach(async () => {
    bench = await WriterBench.create();
  });
  afterEach(() => bench.close());

  it('appends cuts that a reader finds again', async () => {
    const { writer } = await bench.open();
    expect(writer.term).toBe(1);
    expect(writer.heads.size).toBe(0);
    const cuts = await bench.cuts(5);
    const durable = await Promise.all(cuts.map(({ content }) => writer.append(content)));
    expect(durable.at(-1)).toEqual(writer.head);
    const [disk] = bench.source.disks;
    expect(writer.heads.get(disk!.id)).toEqual({
      generationId: disk!.generation,
      number: 4,
      open: false,
      coveredThrough: 0,
      diskSize: 64 * 1024,
    });
    expect((await bench.read()).head).toEqual(writer.head);
    await bench.expectWhole(cuts);
  });

  it('goes on where the last writer ended, with the same heads', async () => {
    const cuts = await bench.cuts(4);
    const { writer: first } = await bench.open();
    for (const { content } of cuts.slice(0, 2)) await first.append(content);
    const { writer: second } = await bench.open();
    expect(second.term).toBe(2);
    expect(second.heads).toEqual(first.heads);
    for (const { content } of cuts.slice(2)) await second.append(content);
    await bench.expectWhole(cuts);
  });

  it('seals cuts that queue up together into one segment', async () => {
    const bencher = await bench.open({ inFlight: 1 });
    const gate = Promise.withResolvers<void>();
    bencher.plan = (call) => (isSlotCreate(call) ? { stall: gate.promise } : undefined);
    const cuts = await bench.cuts(10);
    const durable = [bencher.writer.append(cuts[0]!.content)];
    await settled();
    durable.push(...cuts.slice(1).map(({ content }) => bencher.writer.append(content)));
    gate.resolve();
    expect((await Promise.all(durable)).map(({ sequence }) => sequence)).toEqual([1, ...Array(9).fill(2)]);
    await bench.expectWhole(cuts);
  });

  it('lets a large cut span segments', async () => {
    const { writer } = await bench.open({ segmentSize: 20_000 });
    const [disk] = bench.source.disks;
    for (let block = 0; block < 16; block += 1) {
      const data = randomBytes(4096);
      bench.source.change(disk!, { offset: block * 4096, length: 4096, kind: 'data', data });
    }
    const cuts = [await bench.source.cut({ packing: { extentsPerFrame: 1, codec: 'raw' } }), ...(await bench.cuts(1))];
    await Promise.all(cuts.map(({ content }) => writer.append(content)));
    const slots = await bench.objects('log/');
    expect(slots).toHaveLength(5);
    for (const { size } of slots) expect(size).toBeLessThan(26_000);
    await bench.expectWhole(cuts);
  });

  it('keeps manifests, and reads heads of any size', async () => {
    const { writer } = await bench.open();
    const manifests = [10, 200_000].map((length) => create(ManifestSchema, { id: idBytes(newId()), machineName: 'x'.repeat(length) }));
    const cuts: MadeCut[] = [];
    for (const manifest of manifests) {
      bench.source.write(bench.source.disks[0]!, 0, 1, cuts.length + 1);
      cuts.push(await bench.source.cut({ manifest }));
      await writer.append(cuts.at(-1)!.content);
    }
    await bench.expectWhole(cuts);
    const { points } = await bench.read();
    expect(points.map(({ manifest }) => manifest?.machineName.length)).toEqual([10, 200_000]);
    expect((await bench.open()).writer.heads).toEqual(writer.heads);
  });

  it('keeps a bounded number of slots in flight', async () => {
    const bencher = await bench.open({ inFlight: 3 });
    const gate = Promise.withResolvers<void>();
    let sent = 0;
    bencher.plan = (call) => {
      if (!isSlotCreate(call)) return undefined;
      sent += 1;
      return { stall: gate.promise };
    };
    const cuts = await bench.cuts(6);
    const durable: Promise<unknown>[] = [];
    for (const { content } of cuts) {
      durable.push(bencher.writer.append(content));
      await settled();
    }
    expect(sent).toBe(3);
    gate.resolve();
    await Promise.all(durable);
    await bench.expectWhole(cuts);
  });

  it('reports durable in slot order, whatever order the store answers in', async () => {
    const bencher = await bench.open();
    const gates = new Map([1, 2, 3].map((sequence) => [slotName(bench.source.machineId, sequence), Promise.withResolvers<void>()]));
    bencher.plan = ({ request, name }) => (request === 'create' ? { stallAnswer: gates.get(name)!.promise } : undefined);
    const durable: number[] = [];
    const appends: Promise<unknown>[] = [];
    for (const { content } of await bench.cuts(3)) {
      appends.push(bencher.writer.append(content).then(({ sequence }) => durable.push(sequence)));
      await settled();
    }
    const release = async (sequence: number): Promise<void> => {
      gates.get(slotName(bench.source.machineId, sequence))!.resolve();
      await settled();
    };
    await release(3);
    await release(2);
    expect(durable).toEqual([]);
    expect(bencher.writer.heads.size).toBe(0);
    await release(1);
    expect(durable).toEqual([1, 2, 3]);
    await Promise.all(appends);
  });

  it('looks at the terms after the create, and only then calls a cut durable', async () => {
    const bencher = await bench.open();
    const looks = Promise.withResolvers<void>();
    const calls: string[] = [];
    bencher.plan = ({ request, name }) => {
      calls.push(`${request} ${name.slice(35)}`);
      return request === 'stat' ? { stall: looks.promise } : undefined;
    };
    let durable = false;
    const [cut] = await bench.cuts(1);
    const append = bencher.writer.append(cut!.content).then(() => {
      durable = true;
    });
    await settled();
    expect(calls).toEqual(['create log/000000000001', 'stat terms/000000000002']);
    expect(durable).toBe(false);
    looks.resolve();
    await append;
  });

  it('refuses a writer that slept until a keeper had removed the slot it wants', async () => {
    const sleeper = await bench.open();
    const cuts = await bench.cuts(3);
    await sleeper.writer.append(cuts[0]!.content);
    const gate = Promise.withResolvers<void>();
    sleeper.plan = (call) => (isSlotCreate(call) ? { stall: gate.promise } : undefined);
    const late = sleeper.writer.append(cuts[1]!.content);
    await settled();
    const { writer } = await bench.open();
    await writer.append(cuts[1]!.content);
    // As compaction will do one day, below a catalogue that covers the slots.
    for (const sequence of [0, 1, 2, 3]) await bench.store.delete(slotName(bench.source.machineId, sequence));
    gate.resolve();
    await expect(late).rejects.toMatchObject({ code: 'FENCED' });
    await expect(bench.store.stat(slotName(bench.source.machineId, 2))).resolves.toBeDefined();
  });

  it('takes a cut twice without harm', async () => {
    const bencher = await bench.open();
    const gate = Promise.withResolvers<void>();
    bencher.plan = (call) => (isSlotCreate(call) ? { stall: gate.promise } : undefined);
    const cuts = await bench.cuts(3);
    const both = [bencher.writer.append(cuts[0]!.content), bencher.writer.append(cuts[0]!.content)];
    gate.resolve();
    const [first, second] = await Promise.all(both);
    expect(first).toEqual(second);
    for (const { content } of cuts) await bencher.writer.append(content);
    const { writer } = await bench.open();
    const slots = (await bench.objects('log/')).length;
    for (const { content } of cuts) expect(await writer.append(content)).toEqual(writer.head);
    expect(await bench.objects('log/')).toHaveLength(slots);
    await bench.expectWhole(cuts);
  });

  it('stops at an epoch that holds something else than before', async () => {
    const { writer } = await bench.open();
    const [first] = await bench.cuts(1);
    await writer.append(first!.content);
    // The machine was set back to before the cut, or runs twice.
    for (const disk of bench.source.disks) disk.number = 0;
    const [clone] = await bench.cuts(1);
    await expect(writer.append(clone!.content)).rejects.toMatchObject({ code: 'EPOCH_CONFLICT' });
    // Another cut with the same bytes is another truth too.
    await expect(writer.append(contentOf({ ...first!.cut, epochs: clone!.cut.epochs }, []))).rejects.toMatchObject({
      code: 'PROTOCOL_VIOLATION',
    });
    const { writer: next } = await bench.open();
    await expect(next.append(clone!.content)).rejects.toMatchObject({ code: 'EPOCH_CONFLICT' });
    await bench.expectWhole([first!]);
  });

  it('goes through errors and lost answers without a gap and without a duplicate', async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const bencher = await bench.open({ inFlight: 1 + (seed % 4) });
      bencher.plan = seededFaults(seed, { before: 0.2, after: 0.2 });
      const cuts = await bench.cuts(8);
      await Promise.all(cuts.map(({ content }) => bencher.writer.append(content)));
      const history = await bench.read();
      expect(history.points.slice(-8).map(({ id }) => id)).toEqual(cuts.map(({ pointId }) => pointId));
      expect(history.points).toHaveLength(8 * seed);
    }
  });

  it('waits while the store is full and goes on when there is room', async () => {
    const bencher = await bench.open();
    let full = 5;
    const noSpace = new HoldfastError('NO_SPACE', { thing: 'store', why: 'full on purpose', remedy: 'wait' });
    bencher.plan = (call) => {
      if (!isSlotCreate(call)) return undefined;
      full -= 1;
      return full > 0 ? { before: noSpace } : undefined;
    };
    const cuts = await bench.cuts(2);
    for (const { content } of cuts) await bencher.writer.append(content);
    await bench.expectWhole(cuts);
  });

  it('ends with an error that will not pass', async () => {
    const bencher = await bench.open();
    const denied = new HoldfastError('NO_PERMISSION', { thing: 'store', why: 'revoked on purpose', remedy: 'grant it' });
    bencher.plan = (call) => (isSlotCreate(call) ? { before: denied } : undefined);
    const cuts = await bench.cuts(2);
    const appends = cuts.map(({ content }) => bencher.writer.append(content));
    for (const append of appends) await expect(append).rejects.toBe(denied);
    await expect(bencher.writer.append(cuts[0]!.content)).rejects.toBe(denied);
  });

  it('refuses what is not durable when it is closed', async () => {
    const bencher = await bench.open();
    const plan: FaultPlan = (call) => (isSlotCreate(call) ? { before: storeUnavailable(call.name, 'away on purpose') } : undefined);
    bencher.plan = plan;
    const cuts = await bench.cuts(6);
    const appends = cuts.map(({ content }) => bencher.writer.append(content).catch((reason: unknown) => reason));
    await settled();
    await bencher.writer.close();
    for (const append of appends) expect(await append).toMatchObject({ code: 'INTERRUPTED' });
    await expect(bencher.writer.append(cuts[0]!.content)).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(await bench.objects('log/')).toHaveLength(1);
  });

  it('refuses once the vault is closed, and leaves nothing sealed under no key', async () => {
    const [first, second] = await bench.cuts(2);
    const vault = await throughStore(bench.store);
    const keys: Uint8Array[] = [];
    for (const epoch of [0, 1, 1]) keys.push(await vault.keys.keyOf(bench.source.machineId, epoch));
    const writer = await openLogWriter(vault, bench.source.machineId, { clock: fastClock });
    await writer.append(first!.content);
    vault.keys.clear();
    await expect(writer.append(second!.content)).rejects.toMatchObject({ code: 'INTERRUPTED', why: 'it was closed' });
    for (const epoch of [0, 1])
      await expect(vault.keys.keyOf(bench.source.machineId, epoch)).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(keys.filter((key) => key.every((byte) => byte === 0))).toEqual([]);
    await bench.expectWhole([first!]);
    await bench.open();
  });

  it('takes a term above every one the caller has seen, and leaves none out', async () => {
    expect((await bench.open({ seenTerm: 6 })).writer.term).toBe(7);
    expect((await bench.open({ seenTerm: 3 })).writer.term).toBe(8);
    expect((await bench.open()).writer.term).toBe(9);
    const terms = Array.from({ length: 9 }, (_, i) => termName(bench.source.machineId, i + 1));
    expect((await bench.objects('terms/')).map(({ name }) => name)).toEqual(terms);
    for (const seenTerm of [-1, 0.5, Number.MAX_SAFE_INTEGER])
      await expect(bench.open({ seenTerm })).rejects.toMatchObject({ code: 'SETTING_INVALID' });
  });

  it('does not write for a machine nobody registered', async () => {
    for (const machineId of [newId(), 'db1'])
      await expect(openLogWriter(bench.vault, machineId)).rejects.toMatchObject({ code: 'MACHINE_NOT_FOUND' });
    expect(await bench.objects('')).toHaveLength(1);
  });
});
