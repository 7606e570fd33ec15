import { create } from '@bufbuild/protobuf';
import { contentDigest, createFrame, serializeFrame } from '@holdfast/block';
import { type Cut, CutSchema, EpochSchema, idText, ManifestSchema } from '@holdfast/protocol';
import { contentOf, type MadeCut, packFrames } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

/** The cut with other frames in its first epoch, announced as they are or as they were. */
const withFrames = ({ cut }: MadeCut, frames: readonly Uint8Array[], announce: boolean) => {
  const [epoch, ...others] = cut.epochs;
  const announced = { contentDigest: contentDigest(frames), frameCount: BigInt(frames.length) };
  const changed: Cut = create(CutSchema, { ...cut, epochs: [create(EpochSchema, { ...epoch!, ...(announce && announced) }), ...others] });
  return contentOf(changed, [frames]);
};

const allFrames = ({ content, cut }: MadeCut): Promise<Uint8Array[][]> =>
  Promise.all(
    cut.epochs.map(async (_, index) => {
      const frames: Uint8Array[] = [];
      for await (const frame of content.frames(index)) frames.push(frame);
      return frames;
    }),
  );

describe('frames on their way into the log', () => {
  let bench: WriterBench;
  beforeEach(async () => {
    bench = await WriterBench.create([64 * 1024]);
  });
  afterEach(() => bench.close());

  it('are refused when a bit of them flipped, one is missing, or they are others than announced', async () => {
    const { writer } = await bench.open();
    const [made] = await bench.cuts(1);
    const [frames] = await allFrames(made!);
    const flipped = Buffer.from(frames![0]!);
    flipped[flipped.length - 1]! ^= 1;
    const other = await packFrames([{ offset: 0, length: 4096, kind: 'data', data: Buffer.alloc(4096, 99) }], {
      extentsPerFrame: 1,
      codec: 'raw',
    });
    for (const [bad, announce] of [
      [[flipped], true],
      [[flipped], false],
      [[], false],
      [[...frames!, ...frames!], false],
      [other, false],
    ] as const)
      await expect(writer.append(withFrames(made!, bad, announce))).rejects.toMatchObject({ code: 'DAMAGED' });
    expect(await bench.objects('log/')).toHaveLength(1);
    await writer.append(made!.content);
    await bench.expectWhole([made!]);
  });

  it('are not checked again when whoever gives them has done so', async () => {
    const { writer } = await bench.open();
    const [made] = await bench.cuts(1);
    const [frames] = await allFrames(made!);
    const other = withFrames(made!, frames!, false);
    const wrong = {
      ...other,
      cut: create(CutSchema, { ...other.cut, epochs: other.cut.epochs.map((epoch) => ({ ...epoch, contentDigest: Buffer.alloc(32) })) }),
    };
    await expect(writer.append(wrong)).rejects.toMatchObject({ code: 'DAMAGED' });
    await writer.append({ ...wrong, verified: true });
  });

  it('are refused when they reach behind the disk, end inside a block, or are too large', async () => {
    const { writer } = await bench.open();
    const [made] = await bench.cuts(1);
    const frameOf = async (offset: number, length: number): Promise<Uint8Array> =>
      serializeFrame(await createFrame([{ offset, length, kind: 'data' }], Buffer.alloc(length, 1), 'raw'));
    const zeroes = serializeFrame(await createFrame([{ offset: 0, length: 1024 ** 3, kind: 'zero' }], Buffer.alloc(0), 'raw'));
    for (const frame of [
      await frameOf(64 * 1024, 4096),
      await frameOf(60 * 1024, 8192),
      await frameOf(0, 4095),
      zeroes,
      Buffer.alloc(2 ** 20 + 1),
    ])
      await expect(writer.append(withFrames(made!, [frame], true))).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' });
    await writer.append(made!.content);
    await bench.expectWhole([made!]);
  });

  it('take the cuts behind them with them, which may come again', async () => {
    const { writer } = await bench.open();
    const cuts = await bench.cuts(5);
    const good = writer.append(cuts[0]!.content);
    const bad = writer.append(withFrames(cuts[1]!, [], false));
    const behind = cuts.slice(2).map(({ content }) => writer.append(content).catch((reason: unknown) => reason));
    await good;
    await expect(bad).rejects.toMatchObject({ code: 'DAMAGED' });
    for (const outcome of behind)
      expect(await outcome).toMatchObject({
        code: 'DAMAGED',
        why: expect.stringContaining(`cut ${idText(cuts[1]!.cut.id)} before it was refused`),
      });
    await Promise.all(cuts.map(({ content }) => writer.append(content)));
    await bench.expectWhole(cuts);
  });

  it('leave only void parts when they fail after some segments of the cut are written', async () => {
    const { writer } = await bench.open({ segmentSize: 10_000 });
    for (let block = 0; block < 16; block += 1)
      bench.source.change(bench.source.disks[0]!, {
        offset: block * 4096,
        length: 4096,
        kind: 'data',
        data: Buffer.alloc(4096, block + 1),
      });
    const made = await bench.source.cut({ packing: { extentsPerFrame: 1, codec: 'raw' } });
    const [frames] = await allFrames(made);
    await expect(writer.append(withFrames(made, frames!.slice(0, -1), false))).rejects.toMatchObject({ code: 'DAMAGED' });
    expect((await bench.objects('log/')).length).toBeGreaterThan(2);
    const next = await bench.cuts(1);
    await Promise.all([made, ...next].map(({ content }) => writer.append(content)));
    await bench.expectWhole([made, ...next]);
  });

  it('may be lost together with their source, which is then let go of', async () => {
    const { writer } = await bench.open();
    const [made] = await bench.cuts(1);
    let released = false;
    const failing = {
      cut: made!.cut,
      frames: async function* () {
        try {
          yield* made!.content.frames(0);
          throw new Error('disk of the log failed on purpose');
        } finally {
          released = true;
        }
      },
    };
    await expect(writer.append(failing)).rejects.toThrow('on purpose');
    expect(released).toBe(true);
    await writer.append(made!.content);
    await bench.expectWhole([made!]);
  });

  it('come with a cut of bounded size', async () => {
    const { writer } = await bench.open();
    const [made] = await bench.cuts(1);
    const manifest = create(ManifestSchema, { id: Buffer.alloc(16, 1), machineName: 'x'.repeat(5 * 1024 * 1024) });
    const content = contentOf(create(CutSchema, { ...made!.cut, manifest }), await allFrames(made!));
    await expect(writer.append(content)).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' });
    await writer.append(made!.content);
    await bench.expectWhole([made!]);
  });
});
