import { idBytes } from '@holdfast/protocol';
import { SlotHandles } from './disk-map.ts';
import { FrameReader } from './frame-reader.ts';
import { OBJECT_KIND } from './object-header.ts';
import { encodePartIndex } from './part-index.ts';
import { PartWriter, type PlacedVersion, verifyPart } from './part-writer.ts';
import { prepareReferenced } from './referenced-object.ts';
import { WriterBench } from './testing/writer-bench.ts';

describe('writing parts', () => {
  let bench: WriterBench;
  beforeEach(async () => {
    bench = await WriterBench.create([64 * 1024]);
    const [cut] = await bench.cuts(1);
    const { writer } = await bench.open();
    await writer.append(cut!.content);
  });
  afterEach(() => bench.close());

  const setUp = async () => {
    const { segments } = await bench.read();
    const writer = { vault: bench.vault, machineId: bench.source.machineId, keyEpoch: 1 };
    const diskId = bench.source.disks[0]!.id;
    const version: PlacedVersion = {
      start: 0,
      end: 8192,
      cut: 0,
      order: 0,
      kind: 0,
      handle: new SlotHandles(segments).of(1),
      frame: 0,
      position: 0,
    };
    return { writer, diskId, frames: new FrameReader(diskId, 1_000_000), group: { start: 0, end: 8192, versions: [version] } };
  };

  it('lets nothing out that is not what came in', async () => {
    const { writer, diskId, frames, group } = await setUp();
    // A machine whose memory flips bits between reading and writing.
    const flipping = Object.create(frames, {
      peek: { value: () => undefined },
      read: {
        value: async (wanted: Parameters<FrameReader['read']>[0]) => {
          const [frame] = await frames.read(wanted);
          return [
            {
              ...frame,
              blocks: (...range: Parameters<NonNullable<typeof frame>['blocks']>) => {
                const blocks = frame!.blocks(...range);
                const data = Uint8Array.from(blocks.data);
                data[5000]! ^= 1;
                return { ...blocks, data };
              },
            },
          ];
        },
      },
    }) as FrameReader;
    const parts = new PartWriter(writer, idBytes(diskId), flipping, { size: 1000, entries: 10 });
    await parts.add(group);
    await expect(parts.finish()).rejects.toMatchObject({ code: 'DAMAGED', why: expect.stringContaining('fails its digest') });
    expect(await bench.objects('parts/')).toEqual([]);
    const sound = new PartWriter(writer, idBytes(diskId), frames, { size: 1000, entries: 10 });
    await sound.add(group);
    expect(await sound.finish()).toMatchObject([{ start: 0n, end: 8192n }]);
    expect(await bench.objects('parts/')).toHaveLength(1);
  });

  it('refuses a version that is not where it is said to be', async () => {
    const { writer, diskId, frames, group } = await setUp();
    const parts = new PartWriter(writer, idBytes(diskId), frames, { size: 1000, entries: 10 });
    const [version] = group.versions;
    await expect(
      parts.add({ ...group, versions: [{ ...version!, start: 4096, end: 8192, position: 0 }], start: 4096 }),
    ).rejects.toMatchObject({
      code: 'DAMAGED',
    });
  });

  it('finds an index that is not the one that was meant', async () => {
    const { writer, diskId, frames, group } = await setUp();
    const parts = new PartWriter(writer, idBytes(diskId), frames, { size: 1000, entries: 10 });
    await parts.add(group);
    await parts.finish();
    const entry = { offset: 0, length: 8192, kind: 1, cut: 0, frame: 0, position: 0 };
    const prepared = await prepareReferenced(writer, OBJECT_KIND.part, {
      records: Buffer.from([10, 0]),
      index: encodePartIndex([], [entry]),
      frames: [],
    });
    await verifyPart(writer, prepared, [entry]);
    for (const meant of [
      { ...entry, cut: 1 },
      { ...entry, kind: 2 },
      { ...entry, length: 4096 },
    ])
      await expect(verifyPart(writer, prepared, [meant])).rejects.toMatchObject({ code: 'DAMAGED' });
  });
});
