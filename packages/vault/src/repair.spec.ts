import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import { idText } from '@holdfast/protocol';
import fc from 'fast-check';
import { checkMachine } from './check-machine.ts';
import { compactMachine } from './compact-machine.ts';
import type { MachineHistory } from './history.ts';
import { catalogueName, slotName } from './object-names.ts';
import { readMachine } from './read-machine.ts';
import { repairMachine } from './repair.ts';
import { compareAll } from './testing/compare.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { throughStore } from './testing/open-test-vault.ts';
import { withPatched } from './testing/patched-store.ts';
import { epochOf, type MadeCut } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

const flipped = async (store: ObjectStore, name: string): Promise<Buffer> => {
  const content = Buffer.from(await store.read(name));
  content[170]! ^= 1;
  return content;
};

/** A copy in which an object is damaged; it can be put right again. */
const damagedCopy = async (bench: WriterBench, names: readonly string[]): Promise<ObjectStore> => {
  const copy = createMemoryStore();
  for await (const { name } of bench.store.list(''))
    await copy.create(name, names.includes(name) ? await flipped(bench.store, name) : await bench.store.read(name));
  return copy;
};

const pointIds = ({ points }: MachineHistory): string[] => points.map(({ id }) => id);

describe('repairing a log', () => {
  let bench: WriterBench;
  let machineId: string;
  beforeEach(async () => {
    bench = await WriterBench.create();
    ({ machineId } = bench.source);
  });
  afterEach(() => bench.close());

  it('does nothing, and shuts nobody out, when nothing is damaged', async () => {
    const cuts = await bench.cuts(3);
    const { writer } = await bench.open();
    await writer.append(cuts[0]!.content);
    const before = await bench.objects('');
    expect(await repairMachine(bench.vault, machineId)).toEqual({ lost: [], voidCuts: 0, head: writer.head });
    expect(await bench.objects('')).toEqual(before);
    await writer.append(cuts[1]!.content);
  });

  it('steps over a slot that counted: what rests on it is void, and new generations go on', async () => {
    const cuts = await bench.cuts(6);
    const { writer } = await bench.open();
    for (const { content } of cuts) await writer.append(content);
    const vault = await throughStore(await damagedCopy(bench, [slotName(machineId, 3)]));
    expect((await readMachine(vault, machineId)).damage).toHaveLength(1);

    const report = await repairMachine(vault, machineId, { clock: fastClock });
    expect(report).toEqual({ lost: [{ first: 3, last: 3 }], voidCuts: 3, head: writer.head });
    const repaired = new WriterBench(bench.source, vault.store, vault);
    const history = await repaired.read();
    expect(history).toMatchObject({ damage: [], lost: [{ first: 3, last: 3 }] });
    expect(pointIds(history)).toEqual(cuts.slice(0, 2).map(({ pointId }) => pointId));

    // The source goes on, on top of what is left.
    for (const disk of bench.source.disks) {
      bench.source.write(disk, 4, 3, 77);
      bench.source.startGeneration(disk, epochOf(cuts[1]!, disk), cuts[1]!.expected.get(disk.id)!);
    }
    const next = await bench.source.cut();
    await (await repaired.open()).writer.append(next.content);
    const after = await repaired.read();
    expect(pointIds(after)).toEqual([cuts[0], cuts[1], next].map((cut) => cut!.pointId));
    expect(await compareAll(after, [...cuts, next])).toBeUndefined();
    await repaired.close();
  });

  it('loses nothing when the slot was an orphan, or only a fence', async () => {
    const cuts = await bench.cuts(4);
    const older = await bench.open({ inFlight: 4 });
    await older.writer.append(cuts[0]!.content);
    older.plan = ({ request, name }) => (request === 'create' && name.endsWith('02') ? { stall: new Promise(() => {}) } : undefined);
    for (const { content } of cuts.slice(1)) {
      older.writer.append(content).catch(() => {});
      await settled();
    }
    // Fence in slot 2, orphans in 3 and 4, then all once more.
    const { writer } = await bench.open();
    for (const { content } of cuts) await writer.append(content);
    expect(writer.head.sequence).toBe(7);
    for (const slot of [2, 3, 4]) {
      const vault = await throughStore(await damagedCopy(bench, [slotName(machineId, slot)]));
      expect(await repairMachine(vault, machineId)).toMatchObject({ lost: [{ first: slot, last: slot }], voidCuts: 0, head: writer.head });
      const history = await readMachine(vault, machineId, { anchor: writer.head });
      expect(pointIds(history)).toEqual(cuts.map(({ pointId }) => pointId));
      expect(await compareAll(history, cuts)).toBeUndefined();
    }
  });

  it('believes the newer of two writers although the older one left more behind', async () => {
    const cuts = await bench.cuts(5);
    const older = await bench.open({ inFlight: 4 });
    await older.writer.append(cuts[0]!.content);
    older.plan = ({ request, name }) => (request === 'create' && /0[23]$/.test(name) ? { stall: new Promise(() => {}) } : undefined);
    for (const { content } of cuts.slice(1)) {
      older.writer.append(content).catch(() => {});
      await settled();
    }
    // Its fence in slot 2, a cut in 3; the older one's are in 4 and 5.
    const { writer } = await bench.open();
    await writer.append(cuts[1]!.content);
    expect([writer.head.sequence, (await bench.objects('log/')).length]).toEqual([3, 6]);
    const vault = await throughStore(await damagedCopy(bench, [slotName(machineId, 2)]));
    expect(await repairMachine(vault, machineId)).toMatchObject({ lost: [{ first: 2, last: 2 }], voidCuts: 0, head: writer.head });
    expect(pointIds(await readMachine(vault, machineId))).toEqual(cuts.slice(0, 2).map(({ pointId }) => pointId));
  });

  it('steps over slots that are gone, a damaged end, and a damaged catalogue', async () => {
    const cuts = await bench.cuts(12);
    const { writer } = await bench.open({ checkpoint: { slots: 2 } });
    for (const { content } of cuts) await writer.append(content);
    await settled();
    const damaged = await bench.read();
    expect(damaged.catalogue!.version).toBeGreaterThan(3);
    const vault = await throughStore(
      await damagedCopy(bench, [catalogueName(machineId, damaged.catalogue!.version), slotName(machineId, 12)]),
    );
    expect((await readMachine(vault, machineId)).damage).toHaveLength(2);
    await expect(new WriterBench(bench.source, vault.store, vault).open()).rejects.toMatchObject({ code: 'DAMAGED' });
    expect(await repairMachine(vault, machineId)).toMatchObject({ lost: [{ first: 12, last: 12 }] });
    const history = await readMachine(vault, machineId);
    expect(history.damage).toEqual([]);
    expect(pointIds(history)).toEqual(cuts.slice(0, 11).map(({ pointId }) => pointId));
    expect((await checkMachine(history)).findings).toEqual([]);

    const gone = await WriterBench.create();
    const more = await gone.cuts(12);
    const { writer: other } = await gone.open();
    for (const { content } of more) await other.append(content);
    for (const slot of [2, 3]) await gone.store.delete(slotName(gone.source.machineId, slot));
    expect(await repairMachine(gone.vault, gone.source.machineId)).toMatchObject({ lost: [{ first: 2, last: 3 }], voidCuts: 9 });
    expect(pointIds(await gone.read())).toEqual([more[0]!.pointId]);
    await gone.close();
  });

  it('is refused when only a catalogue that cannot be read knew what was in slots that are gone', async () => {
    const cuts = await bench.cuts(6);
    const { writer } = await bench.open({ checkpoint: { slots: 1 } });
    for (const { content } of cuts) {
      await writer.append(content);
      await settled();
    }
    await compactMachine(bench.vault, machineId, { minCuts: 1, clock: fastClock });
    const catalogues = (await bench.objects('catalogue/')).map(({ name }) => name);
    const store = await damagedCopy(bench, catalogues);
    // As long as the log is there nothing is lost.
    expect(await repairMachine(await throughStore(store), machineId, { clock: fastClock })).toMatchObject({ lost: [], voidCuts: 0 });
    expect(pointIds(await readMachine(await throughStore(store), machineId))).toEqual(cuts.map(({ pointId }) => pointId));
    const released = await damagedCopy(bench, catalogues);
    for (let slot = 0; slot < 5; slot += 1) await released.delete(slotName(machineId, slot));
    await expect(repairMachine(await throughStore(released), machineId)).rejects.toMatchObject({
      code: 'DAMAGED',
      why: expect.stringContaining('nowhere else'),
    });
  });

  it('finds the same whether or not the slot can be read again later', async () => {
    const cuts = await bench.cuts(5);
    const { writer } = await bench.open();
    for (const { content } of cuts) await writer.append(content);
    const name = slotName(machineId, 2);
    const copy = await damagedCopy(bench, [name]);
    await repairMachine(await throughStore(copy), machineId);
    const restored = await throughStore(await withPatched(copy, name, await bench.store.read(name)));
    expect(pointIds(await readMachine(restored, machineId))).toEqual(pointIds(await readMachine(await throughStore(copy), machineId)));
  });

  it('shuts out a writer that was at work: nothing durable is behind what it read', async () => {
    const cuts = await bench.cuts(5);
    const { writer } = await bench.open();
    for (const { content } of cuts.slice(0, 3)) await writer.append(content);
    const name = slotName(machineId, 2);
    const content = await flipped(bench.store, name);
    await bench.store.delete(name);
    await bench.store.create(name, content);
    await repairMachine(bench.vault, machineId);
    await expect(writer.append(cuts[3]!.content)).rejects.toMatchObject({ code: 'FENCED' });
    const { writer: next } = await bench.open();
    expect(next.heads.get(bench.source.disks[0]!.id)!.number).toBe(0);
    expect(pointIds(await bench.read())).toEqual([cuts[0]!.pointId]);
  });

  it('keeps, whatever slots are damaged among several writers, every cut that rests on none of them', async () => {
    let orphans = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ cuts: fc.integer({ min: 1, max: 4 }), stuck: fc.nat(3), inFlight: fc.integer({ min: 1, max: 5 }) }), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.array(fc.nat(30), { minLength: 1, maxLength: 2 }),
        fc.boolean(),
        async (writers, places, catalogued) => {
          const site = await WriterBench.create([24 * 1024]);
          const made: MadeCut[] = [];
          const interval = { slots: catalogued ? 3 : 1000 };
          for (const { cuts, stuck, inFlight } of writers) {
            made.push(...(await site.cuts(cuts)));
            // It hangs at one of its slots; what it had in flight behind becomes orphans.
            const hung = await site.open({ inFlight, segmentSize: 3000, checkpoint: interval });
            const at = hung.writer.head.sequence + 1 + stuck;
            hung.plan = ({ request, name }) =>
              request === 'create' && name === slotName(site.source.machineId, at) ? { stall: new Promise(() => {}) } : undefined;
            for (const { content } of made) {
              hung.writer.append(content).catch(() => {});
              await settled();
            }
          }
          const { writer } = await site.open({ segmentSize: 3000, checkpoint: interval });
          for (const { content } of made) await writer.append(content);
          await settled();
          const whole = await site.read();
          expect(whole.damage).toEqual([]);
          orphans += (await checkMachine(whole)).orphans;

          const damaged = places.map((place) => slotName(site.source.machineId, place % (writer.head.sequence + 1)));
          const vault = await throughStore(await damagedCopy(site, damaged));
          await repairMachine(vault, site.source.machineId, { clock: fastClock });
          const history = await readMachine(vault, site.source.machineId);
          expect(history.damage).toEqual([]);
          expect(history.head).toEqual(
            writer.head.sequence === Math.max(...history.lost.map(({ last }) => last)) ? history.head : writer.head,
          );
          // One disk, one generation: what is left is everything before the first cut that a lost slot held a part of.
          const entries = [...whole.generations.values()].flatMap(({ epochs }) => epochs);
          const covered = Number(whole.catalogue?.catalogue.covered ?? 0n);
          const isLost = (name: string): boolean => damaged.includes(name) && !(catalogued && Number(name.slice(-12)) < covered);
          const slotsOf = await partSlots(site, whole);
          const first = entries.findIndex(({ epoch }) => slotsOf.get(idText(epoch.cutId))!.some(isLost));
          const kept = first < 0 ? entries.length : first;
          expect([...history.generations.values()].flatMap(({ epochs }) => epochs)).toHaveLength(kept);
          if (isDataDamaged(history, damaged)) await expect(compareAll(history, made)).rejects.toMatchObject({ code: 'DAMAGED' });
          else expect(await compareAll(history, made)).toBeUndefined();
          await site.close();
        },
      ),
      {
        numRuns: 60,
        examples: [
          // The orphan in slot 4 goes further than the fence in slot 2, which is the head.
          [
            [
              { cuts: 3, stuck: 1, inFlight: 2 },
              { cuts: 1, stuck: 0, inFlight: 2 },
            ],
            [5, 0],
            false,
          ],
        ],
      },
    );
    expect(orphans).toBeGreaterThan(20);
  }, 300_000);
});

/** By cut id, the slots that hold parts of it. */
const partSlots = async (bench: WriterBench, { tags }: MachineHistory): Promise<Map<string, string[]>> => {
  const { readSlot } = await import('./slot.ts');
  const slots = new Map<string, string[]>();
  for (const { name } of await bench.objects('log/')) {
    const slot = (await readSlot(bench.vault, bench.source.machineId, Number(name.slice(-12))))!;
    if (tags.get(slot.sequence) !== slot.tag) continue;
    for (const { record } of slot.records.records)
      if (record.case === 'cut') slots.set(idText(record.value.cutId), [...(slots.get(idText(record.value.cutId)) ?? []), name]);
  }
  return slots;
};

/** True when data of the machine is in a slot that is damaged: one that the catalogue told of, so that nothing stood in the way. */
const isDataDamaged = ({ generations }: MachineHistory, damaged: readonly string[]): boolean =>
  [...generations.values()].some(({ epochs }) =>
    epochs.some(({ runs }) => runs.some(({ sequence }) => damaged.some((name) => Number(name.slice(-12)) === sequence))),
  );
