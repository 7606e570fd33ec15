import { BLOCK_SIZE, COARSE_SPAN, coarsen, DIGEST_SIZE, type Extent, knownDigests } from '@holdfast/block';
import fc from 'fast-check';
import { type BaseDigests, createComparison } from './comparison.ts';

const never = new AbortController().signal;

/** Digests of a disk in memory; what was asked for. */
const digestsOf = (content: Buffer, asked: { coarse: number; fine: number } = { coarse: 0, fine: 0 }): BaseDigests => {
  const all = knownDigests(content);
  const part = ({ offset, length }: Extent): Uint8Array =>
    all.subarray((offset / BLOCK_SIZE) * DIGEST_SIZE, Math.ceil(Math.min(content.length, offset + length) / BLOCK_SIZE) * DIGEST_SIZE);
  return {
    async coarse(range) {
      asked.coarse += 1;
      return { digests: range.offset >= content.length ? new Uint8Array() : coarsen(part(range)), size: content.length };
    },
    async fine(range) {
      asked.fine += range.length;
      return { digests: range.offset >= content.length ? new Uint8Array() : part(range), size: content.length };
    },
  };
};

/** Compares a whole disk in reads of these sizes; the blocks that must be sent. */
const differences = async (disk: Buffer, base: BaseDigests, reads: readonly number[], from = 0, patience = 2000): Promise<Set<number>> => {
  const comparison = createComparison(base, disk.length, patience);
  const sent = new Set<number>();
  const blocks = function* ({ offset, length }: Extent): Generator<number> {
    for (let at = offset; at < offset + length; at += BLOCK_SIZE) yield at / BLOCK_SIZE;
  };
  for (let at = from, read = 0; at < disk.length; read += 1) {
    const length = Math.min(reads[read % reads.length]! * BLOCK_SIZE, disk.length - at);
    await comparison.prepare(at, length, never);
    for (const extent of comparison.differing(at, disk.subarray(at, at + length))) for (const block of blocks(extent)) sent.add(block);
    if (read % 3 === 2) for (const extent of await comparison.settle(never)) for (const block of blocks(extent)) sent.delete(block);
    at += length;
  }
  for (const extent of await comparison.settle(never)) for (const block of blocks(extent)) sent.delete(block);
  expect(comparison.compared).toBe(disk.length - from);
  return sent;
};

const truth = (disk: Buffer, base: Buffer, from = 0): Set<number> => {
  const found = new Set<number>();
  for (let at = from; at < disk.length; at += BLOCK_SIZE) {
    const block = disk.subarray(at, at + BLOCK_SIZE);
    if (
      at + block.length > base.length ||
      (block.length < BLOCK_SIZE && base.length !== disk.length) ||
      !block.equals(base.subarray(at, at + block.length))
    )
      found.add(at / BLOCK_SIZE);
  }
  return found;
};

const content = (blocks: number, tail: number, seed: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(blocks * BLOCK_SIZE + tail);
  for (const [index, value] of seed.entries())
    bytes.fill(value, (index * 37 * BLOCK_SIZE) % bytes.length, ((index * 37 + 20) * BLOCK_SIZE) % bytes.length || undefined);
  return bytes;
};

describe('the comparison of a disk with what the vault has', () => {
  it('finds exactly the blocks that differ, whatever is read at once and wherever it begins', async () => {
    const change = fc.record({ block: fc.nat(700), value: fc.nat(3) });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 700 }),
        fc.constantFrom(0, 512, 4000),
        fc.array(fc.nat(3), { maxLength: 20 }),
        fc.array(change, { maxLength: 12 }),
        fc.option(fc.integer({ min: 1, max: 700 }), { nil: undefined }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 4 }),
        fc.nat(300),
        async (blocks, tail, seed, changes, baseBlocks, reads, first) => {
          const disk = content(blocks, tail, seed);
          const base = Buffer.from(baseBlocks === undefined ? disk : disk.subarray(0, baseBlocks * BLOCK_SIZE));
          for (const { block, value } of changes) {
            const at = (block * BLOCK_SIZE) % disk.length;
            disk.fill(value, at - (at % BLOCK_SIZE), Math.min(disk.length, at - (at % BLOCK_SIZE) + BLOCK_SIZE));
          }
          const from = Math.min(first * BLOCK_SIZE, disk.length - (disk.length % BLOCK_SIZE));
          expect(await differences(disk, digestsOf(base), reads, from)).toEqual(truth(disk, base, from));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('looks closer only where something differs, and asks ahead', async () => {
    const base = Buffer.alloc(64 * COARSE_SPAN);
    base.fill(7, 5 * COARSE_SPAN, 9 * COARSE_SPAN);
    const disk = Buffer.from(base);
    disk[20 * COARSE_SPAN + 5] = 1;
    disk[41 * COARSE_SPAN + 5] = 1;
    const asked = { coarse: 0, fine: 0 };
    expect([...(await differences(disk, digestsOf(base, asked), [256]))]).toEqual([20 * 256, 41 * 256]);
    expect(asked).toEqual({ coarse: 1, fine: 2 * COARSE_SPAN });
  });

  it('takes everything for different that nobody told in time', async () => {
    const disk = Buffer.alloc(2 * COARSE_SPAN, 3);
    const mute: BaseDigests = {
      coarse: async () => ({ digests: new Uint8Array(), size: 0 }),
      fine: (_, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    };
    expect((await differences(disk, mute, [512], 0, 20)).size).toBe(512);
    const failing = createComparison({ ...mute, coarse: () => Promise.reject(new Error('old')) }, disk.length);
    await expect(failing.prepare(0, 100, never)).rejects.toThrow('old');
  });
});
