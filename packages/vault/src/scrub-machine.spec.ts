import { HoldfastError } from '@holdfast/errors';
import { createMemoryStore, type ObjectStore, withFaults } from '@holdfast/object-store';
import { idText } from '@holdfast/protocol';
import { affectedPoints } from './affected-points.ts';
import { keepMachine } from './keep-machine.ts';
import { historyName, scrubPrefix, slotName } from './object-names.ts';
import { scrubMachine } from './scrub-machine.ts';
import { readScrubRecord } from './scrub-record.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { createTestVault, throughStore } from './testing/open-test-vault.ts';
import { type MadeCut, SimulatedSource } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

const SMALL = { limits: { size: 20_000, entries: 40 }, unitFrames: 16, fanIn: 4, minCuts: 1, clock: fastClock };
const BLOCK = 4096;

describe('scrubbing a machine', () => {
  let store: ObjectStore;
  let bench: WriterBench;
  let machineId: string;
  let cuts: MadeCut[];
  /** Names read in full, in order. */
  let read: string[];
  beforeEach(async () => {
    read = [];
    store = createMemoryStore();
    const source = new SimulatedSource([64 * 1024, 50_000]);
    bench = new WriterBench(source, store, await createTestVault(source, store));
    ({ machineId } = source);
    cuts = await bench.cuts(10);
  });
  afterEach(() => bench.close());

  const append = async (made: readonly MadeCut[]): Promise<void> => {
    const { writer } = await bench.open({ checkpoint: { slots: 1 } });
    for (const { content } of made) {
      await writer.append(content);
      await settled();
    }
    await writer.close();
  };
  const flip = async (name: string, at: (length: number) => number): Promise<void> => {
    const content = Buffer.from(await store.read(name));
    content[at(content.length)]! ^= 4;
    await store.delete(name);
    await store.create(name, content);
  };
  const names = async (folder: string): Promise<string[]> => (await bench.objects(folder)).map(({ name }) => name);
  const scrub = (options: Parameters<typeof scrubMachine>[2] = {}): ReturnType<typeof scrubMachine> =>
    scrubMachine(bench.vault, machineId, { clock: fastClock, ...options });

  it('reads everything in rounds, a little at a time, whoever does it', async () => {
    await append(cuts.slice(0, 5));
    await keepMachine(bench.vault, machineId, SMALL);
    await append(cuts.slice(5));
    const counting = withFaults(store, ({ request, name }) => {
      if (request === 'read') read.push(name);
      return undefined;
    });
    let steps = 0;
    for (;;) {
      steps += 1;
      const report = await scrubMachine(await throughStore(counting), machineId, { bytes: 1, clock: fastClock });
      expect(report.findings).toEqual([]);
      expect(report.round).toBe(1);
      if (report.complete) {
        expect(report.bytes).toBe(report.total);
        expect(report.objects).toBe(steps);
        break;
      }
    }
    expect(steps).toBeGreaterThan(12);
    const { firstSlot, history: told } = (await bench.read()).catalogue!.catalogue;
    const history = told.map(({ object }) => historyName(machineId, idText(object!.id)));
    const slots = (await names('log/')).filter((name) => name >= slotName(machineId, Number(firstSlot)));
    expect(slots.length).toBeGreaterThan(4);
    for (const name of [...slots, ...(await names('parts/')), ...(await names('runs/')), ...history])
      expect({ name, isRead: read.includes(name) }).toEqual({ name, isRead: true });
    const { progress } = await readScrubRecord(bench.vault, machineId);
    expect(progress).toMatchObject({ round: 1, complete: true });
    expect(await scrub()).toMatchObject({ round: 2, complete: true });
    // Keepers leave the newest records only.
    expect((await names('scrubs/')).length).toBeGreaterThan(10);
    await keepMachine(bench.vault, machineId, SMALL);
    expect(await names('scrubs/')).toHaveLength(4);
    expect(await scrub()).toMatchObject({ round: 3 });
  });

  it('finds what has rotted in the log and below, and names disk, bytes and the points that show it', async () => {
    await append(cuts);
    const whole = await scrub();
    expect(whole.findings).toEqual([]);
    await flip(slotName(machineId, 6), (length) => length - 20);
    const { findings, history } = await scrub();
    expect(findings).toMatchObject([{ code: 'DAMAGED', object: slotName(machineId, 6), extents: expect.anything() }]);
    const affected = await affectedPoints(history, findings[0]!);
    expect(affected.length).toBeGreaterThan(0);
    // Exactly those points, and those bytes, fail to read.
    const { openView } = await import('./view.ts');
    for (const { id } of history.points)
      for (const disk of bench.source.disks) {
        const lost = affected.filter((one) => one.pointId === id && one.diskId === disk.id).flatMap(({ extents }) => extents);
        const view = await openView(history, id, disk.id);
        for (let at = 0; at < view.size; at += BLOCK) {
          const length = Math.min(BLOCK, view.size - at);
          const fails = await view.read(at, Buffer.alloc(length)).then(
            () => false,
            () => true,
          );
          const isTold = lost.some((extent) => extent.offset < at + length && at < extent.offset + extent.length);
          if (fails) expect(isTold).toBe(true);
          // A frame fails as a whole only where its seal is broken: here it is.
          else expect(isTold).toBe(false);
        }
        await view.close();
      }
  });

  it('finds a damaged part, one that is missing, and carries both on through a round of several steps', async () => {
    await append(cuts);
    await keepMachine(bench.vault, machineId, SMALL);
    const [first, second] = await names('parts/');
    await flip(first!, (length) => length - 30);
    await store.delete(second!);
    const early = await scrub({ bytes: 1, fresh: true });
    expect(early.complete).toBe(false);
    let report = early;
    while (!report.complete) report = await scrub({ bytes: 1 });
    const found = new Map(report.findings.map((finding) => [finding.object, finding]));
    expect(found.get(first!)).toMatchObject({ code: 'DAMAGED', diskId: expect.any(String) });
    expect(found.get(second!)).toMatchObject({ why: 'it was there and is gone' });
    expect(found.size).toBe(2);
    expect((await readScrubRecord(bench.vault, machineId)).progress.findings).toHaveLength(2);
    for (const finding of report.findings) expect((await affectedPoints(report.history, finding)).length).toBeGreaterThan(0);
  });

  it('does without the right to create, and two at once get in nobody’s way', async () => {
    await append(cuts);
    const refused = new HoldfastError('NO_PERMISSION', { thing: 'store', why: 'read only', remedy: 'ask' });
    const readOnly = withFaults(store, ({ request }) => (request === 'create' ? { before: refused } : undefined));
    expect(await scrubMachine(await throughStore(readOnly), machineId, { clock: fastClock })).toMatchObject({
      isRecorded: false,
      complete: true,
    });
    const both = await Promise.all([scrub({ recordEvery: 1 }), scrub({ recordEvery: 1 })]);
    expect(both.map(({ complete, findings }) => [complete, findings.length])).toEqual([
      [true, 0],
      [true, 0],
    ]);
    expect((await readScrubRecord(bench.vault, machineId)).progress).toMatchObject({ round: 1, complete: true });
  });

  it('steps over a record that is damaged', async () => {
    await append(cuts.slice(0, 3));
    await scrub();
    await scrub();
    const [newest] = await names(scrubPrefix(machineId).slice(`m/${machineId}/`.length));
    await flip(newest!, (length) => length - 3);
    expect(await scrub()).toMatchObject({ round: 2, complete: true });
  });
});
