import { BLOCK_SIZE, blockCount, DIGEST_SIZE, isUnknown, knownDigests } from '@holdfast/block';
import type { EpochRef } from '@holdfast/protocol';
import fc from 'fast-check';
import { compactMachine } from './compact-machine.ts';
import { readDigests } from './disk-digests.ts';
import type { MachineHistory } from './history.ts';
import { readMachine } from './read-machine.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { epochOf, type MadeCut } from './testing/simulated-source.ts';
import { WriterBench } from './testing/writer-bench.ts';

const SIZE = 64 * 1024;

/** Writes the digests that are read into those that were there before. */
const apply = async (
  history: MachineHistory,
  diskId: string,
  ref: EpochRef,
  size: number,
  { since, before = new Uint8Array(), onDamage }: { since?: EpochRef; before?: Uint8Array; onDamage?: (reason: Error) => void } = {},
): Promise<{ digests: Uint8Array; told: number }> => {
  const digests = new Uint8Array(blockCount(size) * DIGEST_SIZE);
  digests.set(before.subarray(0, digests.length));
  let told = 0;
  let end = -1;
  for await (const part of readDigests(history, diskId, ref, { ...(since && { since }), ...(onDamage && { onDamage }) })) {
    expect(part.offset).toBeGreaterThanOrEqual(end);
    end = part.offset + (part.digests.length / DIGEST_SIZE) * BLOCK_SIZE;
    digests.set(part.digests, (part.offset / BLOCK_SIZE) * DIGEST_SIZE);
    told += part.digests.length / DIGEST_SIZE;
  }
  return { digests, told };
};

/** True when they are what the content's are, but for blocks not known; tells how many are known. */
const compare = (digests: Uint8Array, content: Buffer): number => {
  const wanted = knownDigests(content);
  expect(digests.length).toBe(wanted.length);
  let known = 0;
  for (let at = 0; at < wanted.length; at += DIGEST_SIZE) {
    if (isUnknown(digests, at)) continue;
    expect(Buffer.compare(digests.subarray(at, at + DIGEST_SIZE), wanted.subarray(at, at + DIGEST_SIZE))).toBe(0);
    known += 1;
  }
  return known;
};

const rounds = fc.array(
  fc.record({
    block: fc.nat(14),
    blocks: fc.integer({ min: 1, max: 3 }),
    kind: fc.constantFrom('data' as const, 'data' as const, 'zero' as const, 'unreadable' as const),
    size: fc.option(fc.integer({ min: 20_000, max: 70_000 }), { nil: undefined }),
    resync: fc.option(fc.nat(5), { nil: undefined }),
  }),
  { minLength: 2, maxLength: 8 },
);

describe('the digests of a disk in the vault', () => {
  it('are those of its content at every epoch, whatever lies before and wherever it lies, and by way of any other epoch', async () => {
    await fc.assert(
      fc.asyncProperty(rounds, fc.boolean(), async (steps, compacts) => {
        const bench = await WriterBench.create([SIZE]);
        const disk = bench.source.disks[0]!;
        const cuts: MadeCut[] = [];
        const { writer } = await bench.open({ checkpoint: { slots: 1 } });
        let sizes = 0;
        for (const [round, { block, blocks, kind, size, resync }] of steps.entries()) {
          if (size !== undefined) {
            bench.source.resize(disk, size);
            sizes += 1;
          }
          if (resync !== undefined && cuts.length > 0) {
            const base = cuts[resync % cuts.length]!;
            bench.source.startGeneration(disk, epochOf(base, disk), base.expected.get(disk.id)!);
          }
          const start = Math.min(block, blockCount(disk.content.length) - 1);
          const count = Math.min(blocks, blockCount(disk.content.length) - start);
          if (kind === 'data') bench.source.write(disk, start, count, round + 1);
          else {
            const offset = start * BLOCK_SIZE;
            bench.source.change(disk, { offset, length: Math.min(count * BLOCK_SIZE, disk.content.length - offset), kind });
          }
          cuts.push(await bench.source.cut());
          await writer.append(cuts.at(-1)!.content);
          await settled();
        }
        if (compacts) await compactMachine(bench.vault, bench.source.machineId, { minCuts: 1, unitFrames: 3, clock: fastClock });
        const history = await bench.read();
        const whole: Uint8Array[] = [];
        for (const cut of cuts) {
          const { content, unreadable } = cut.expected.get(disk.id)!;
          const { digests } = await apply(history, disk.id, epochOf(cut, disk), content.length);
          const known = compare(digests, content);
          // Of a block in which the disk once ended the end may not have been told.
          expect(known).toBeGreaterThanOrEqual(blockCount(content.length) - unreadable.size - sizes);
          whole.push(digests);
        }
        for (const [i, from] of cuts.entries())
          for (const [j, to] of cuts.entries()) {
            const { content } = to.expected.get(disk.id)!;
            const read = await apply(history, disk.id, epochOf(to, disk), content.length, {
              since: epochOf(from, disk),
              before: whole[i]!,
            });
            expect(Buffer.compare(read.digests, whole[j]!)).toBe(0);
            if (i === j) expect(read.told).toBe(0);
          }
      }),
      { numRuns: 30 },
    );
  });

  it('leave out what is damaged in the vault, and say so', async () => {
    const bench = await WriterBench.create([SIZE]);
    const disk = bench.source.disks[0]!;
    const { writer } = await bench.open();
    bench.source.write(disk, 0, 4, 1);
    bench.source.write(disk, 6, 4, 2);
    const made = await bench.source.cut({ packing: { extentsPerFrame: 1, codec: 'raw' } });
    await writer.append(made.content);
    const history = await bench.read();
    const name = `m/${bench.source.machineId}/log/000000000001`;
    const bytes = Buffer.from(await bench.store.read(name));
    bytes[bytes.length - 100]! ^= 1;
    await bench.store.delete(name);
    await bench.store.create(name, bytes);
    const damage: Error[] = [];
    const { content } = made.expected.get(disk.id)!;
    const ref = epochOf(made, disk);
    const { digests } = await apply(history, disk.id, ref, content.length, { onDamage: (reason) => damage.push(reason) });
    expect(compare(digests, content)).toBe(12);
    expect(damage).toEqual([expect.objectContaining({ code: 'DAMAGED' })]);
    expect((await readMachine(bench.vault, bench.source.machineId)).damage).toEqual([]);
  });
});
