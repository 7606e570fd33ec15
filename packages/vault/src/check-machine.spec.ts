import { create, toBinary } from '@bufbuild/protobuf';
import { parseFrame } from '@holdfast/block';
import { createMemoryStore } from '@holdfast/object-store';
import { SegmentRecordsSchema } from '@holdfast/protocol';
import { checkMachine } from './check-machine.ts';
import { findGap } from './log-gap.ts';
import { OBJECT_KIND } from './object-header.ts';
import { slotName } from './object-names.ts';
import { readMachine } from './read-machine.ts';
import { sealObject } from './sealed-object.ts';
import { encodeSegmentIndex } from './segment-index.ts';
import { readSlot } from './slot.ts';
import { throughStore } from './testing/open-test-vault.ts';
import { packFrames } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

describe('a slot that is lost in the middle', () => {
  it('is found by readers, writers and the check, once more slots are behind it than a dead writer leaves', async () => {
    const bench = await WriterBench.create();
    const { machineId } = bench.source;
    const cuts = await bench.cuts(12);
    const { writer } = await bench.open();
    for (const { content } of cuts) await writer.append(content);
    await writer.close();
    const lost = slotName(machineId, 4);
    await bench.store.delete(lost);

    const history = await bench.read();
    expect(history.points).toHaveLength(3);
    expect(history.damage).toMatchObject([{ code: 'DAMAGED', object: lost, why: expect.stringContaining('it is missing') }]);
    expect((await readMachine(bench.vault, machineId, { anchor: writer.head })).damage).toHaveLength(1);
    expect(await checkMachine(history)).toMatchObject({ slots: 4, strays: 8, findings: [{ object: lost }] });
    const before = await bench.objects('');
    await expect(bench.open()).rejects.toMatchObject({ code: 'DAMAGED', thing: lost });
    expect(await bench.objects('')).toEqual(before);

    // One fewer, and a writer may have left them.
    await bench.store.delete(slotName(machineId, 12));
    expect((await bench.read()).damage).toEqual([]);
    expect(await checkMachine(await bench.read())).toMatchObject({ strays: 7, findings: [] });
    expect((await bench.open()).writer.head.sequence).toBe(4);
    for (const inFlight of [0, 9, 1.5]) await expect(bench.open({ inFlight })).rejects.toMatchObject({ code: 'SETTING_INVALID' });
    await bench.close();
  });

  it('is none when it was filled while the names were listed', async () => {
    const bench = await WriterBench.create();
    const cuts = await bench.cuts(20);
    const { writer } = await bench.open();
    for (const { content } of cuts) await writer.append(content);
    const name = slotName(bench.source.machineId, 4);
    expect(await findGap(bench.vault, bench.source.machineId, 4)).toBeUndefined();
    await bench.store.delete(name);
    expect(await findGap(bench.vault, bench.source.machineId, 4)).toMatchObject({ code: 'DAMAGED', thing: name });
    await bench.close();
  });
});

describe('checking a machine', () => {
  let bench: WriterBench;
  beforeEach(async () => {
    bench = await WriterBench.create();
  });
  afterEach(() => bench.close());

  it('reads everything and tells how much that was', async () => {
    const { writer } = await bench.open();
    for (const { content } of await bench.cuts(3)) await writer.append(content);
    const slots = await bench.objects('log/');
    let done = 0;
    const report = await checkMachine(await bench.read(), { onProgress: (slotsDone) => (done = slotsDone) });
    expect(report).toEqual({
      slots: 4,
      orphans: 0,
      strays: 0,
      frames: 6,
      bytes: slots.reduce((sum, { size }) => sum + size, 0),
      findings: [],
    });
    expect(done).toBe(4);
  });

  it('names a slot that went missing since the history was read, and slots behind a gap', async () => {
    const { writer } = await bench.open();
    for (const { content } of await bench.cuts(4)) await writer.append(content);
    const history = await bench.read();
    const gone = slotName(bench.source.machineId, 2);
    await bench.store.delete(gone);
    expect((await checkMachine(history)).findings).toEqual([{ code: 'DAMAGED', object: gone, why: 'it was there and is gone' }]);
    expect(await checkMachine(await bench.read())).toMatchObject({ slots: 2, strays: 2, findings: [] });
  });

  it('finds frames that are whole and authentic and still not those of the epoch', async () => {
    const { writer } = await bench.open();
    const [made] = await bench.cuts(1);
    await writer.append(made!.content);
    // Somebody with the key seals the slot again with other data of the same size.
    const { machineId } = bench.source;
    const slot = (await readSlot(bench.vault, machineId, 1))!;
    const frames = await Promise.all(
      [0, 1].map(
        async () =>
          (
            await packFrames([{ offset: 0, length: 8192, kind: 'data', data: Buffer.alloc(8192, 99) }], {
              extentsPerFrame: 8,
              codec: 'lz4',
            })
          )[0]!,
      ),
    );
    const { bytes } = sealObject(
      await bench.vault.keys.keyOf(machineId, 1),
      { kind: OBJECT_KIND.segment, keyEpoch: 1, vaultId: bench.vault.id, machineId, number: 1, previousTag: slot.previousTag },
      {
        records: toBinary(SegmentRecordsSchema, create(SegmentRecordsSchema, slot.records)),
        index: encodeSegmentIndex(frames.map((frame) => ({ bytes: frame, extents: parseFrame(frame).extents }))),
        frames,
      },
    );
    const copy = createMemoryStore();
    for await (const { name } of bench.store.list('')) await copy.create(name, name === slot.name ? bytes : await bench.store.read(name));
    const vault = await throughStore(copy);
    const report = await checkMachine(await readMachine(vault, machineId));
    expect(report.findings.map(({ object, why }) => [object, why])).toEqual(
      bench.source.disks.map(({ id }) => [slot.name, `epoch 0 of disk ${id} fails its content digest`]),
    );
    // Who kept an anchor outside knows without reading a frame.
    await expect(readMachine(vault, machineId, { anchor: writer.head })).rejects.toMatchObject({ code: 'VAULT_ROLLED_BACK' });
  });
});
