import { BLOCK_SIZE } from '@holdfast/block';
import fc from 'fast-check';
import { compactMachine } from './compact-machine.ts';
import { diskDifference } from './difference.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { epochOf, type MadeCut } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

describe('the difference of two points', () => {
  it('covers every byte that differs, whatever lies between, and names nothing when nothing does', async () => {
    let named = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            block: fc.nat(14),
            blocks: fc.integer({ min: 1, max: 3 }),
            size: fc.option(fc.integer({ min: 20_000, max: 70_000 }), { nil: undefined }),
            resync: fc.option(fc.nat(5), { nil: undefined }),
          }),
          { minLength: 2, maxLength: 8 },
        ),
        fc.boolean(),
        async (rounds, compacts) => {
          const bench = await WriterBench.create([64 * 1024]);
          const disk = bench.source.disks[0]!;
          const cuts: MadeCut[] = [];
          const { writer } = await bench.open({ checkpoint: { slots: 1 } });
          for (const [round, { block, blocks, size, resync }] of rounds.entries()) {
            if (size !== undefined) bench.source.resize(disk, size);
            if (resync !== undefined && cuts.length > 0) {
              const base = cuts[resync % cuts.length]!;
              bench.source.startGeneration(disk, epochOf(base, disk), base.expected.get(disk.id)!);
            }
            const start = Math.min(block, Math.ceil(disk.content.length / BLOCK_SIZE) - 1);
            bench.source.write(disk, start, Math.min(blocks, Math.ceil(disk.content.length / BLOCK_SIZE) - start), round + 1);
            cuts.push(await bench.source.cut());
            await writer.append(cuts.at(-1)!.content);
            await settled();
          }
          if (compacts) await compactMachine(bench.vault, bench.source.machineId, { minCuts: 1, unitFrames: 3, clock: fastClock });
          const history = await bench.read();
          for (const from of cuts)
            for (const to of cuts) {
              const [a, b] = [from, to].map((cut) => cut.expected.get(disk.id)!.content);
              const { sizes, extents } = await diskDifference(history, disk.id, epochOf(from, disk), epochOf(to, disk));
              expect(sizes).toEqual([a!.length, b!.length]);
              const same = Buffer.alloc(Math.min(...sizes), 1);
              let last = -1;
              for await (const { offset, length } of extents) {
                expect(offset).toBeGreaterThan(last);
                expect(length).toBeGreaterThan(0);
                same.fill(0, offset, offset + length);
                last = offset + length;
                named += 1;
              }
              if (from === to) expect(same.every((byte) => byte === 1)).toBe(true);
              for (const [at, byte] of same.entries())
                if (byte === 1 && a![at] !== b![at]) throw new Error(`byte ${at} differs and is not named`);
            }
          await bench.close();
        },
      ),
      { numRuns: 40 },
    );
    expect(named).toBeGreaterThan(200);
  }, 300_000);

  it('of a few changes on a large disk is those', async () => {
    const bench = await WriterBench.create([1024 * 1024]);
    const disk = bench.source.disks[0]!;
    const { writer } = await bench.open();
    for (let block = 0; block < 256; block += 32) bench.source.write(disk, block, 32, 7);
    const first = await bench.source.cut({ packing: { extentsPerFrame: 1, codec: 'lz4' } });
    bench.source.write(disk, 9, 2, 8);
    bench.source.write(disk, 100, 1, 8);
    bench.source.change(disk, { offset: 11 * BLOCK_SIZE, length: BLOCK_SIZE, kind: 'zero' });
    const second = await bench.source.cut();
    for (const { content } of [first, second]) await writer.append(content);
    const { extents } = await diskDifference(await bench.read(), disk.id, epochOf(first, disk), epochOf(second, disk));
    const found = [];
    for await (const extent of extents) found.push(extent);
    expect(found).toEqual([
      { offset: 9 * BLOCK_SIZE, length: 3 * BLOCK_SIZE },
      { offset: 100 * BLOCK_SIZE, length: BLOCK_SIZE },
    ]);
    await bench.close();
  });
});
