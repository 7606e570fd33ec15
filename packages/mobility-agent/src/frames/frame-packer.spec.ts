import { randomBytes } from 'node:crypto';
import { BLOCK_SIZE, CODEC, digestBlocks, FRAME_DATA_LIMIT, FRAME_EXTENT_LENGTH_LIMIT, parseFrame } from '@holdfast/block';
import fc from 'fast-check';
import { createFramePacker, type DataPart, type FramePackerOptions } from './frame-packer.ts';
import { applyFrames, UNREADABLE } from './testing/apply-frames.ts';

const collect = (options: Partial<FramePackerOptions> = {}) => {
  const frames: Uint8Array[] = [];
  return { frames, packer: createFramePacker({ codec: 'lz4', emit: (frame) => frames.push(frame), ...options }) };
};

const DISK_BLOCKS = 160;
const DISK_SIZE = DISK_BLOCKS * BLOCK_SIZE - 1000;

/** Content made of a few kinds of blocks: zero, compressible, random. */
const contentOf = (kinds: readonly number[], size: number): Uint8Array => {
  const data = new Uint8Array(size);
  kinds.forEach((kind, block) => {
    const part = data.subarray(block * BLOCK_SIZE, Math.min((block + 1) * BLOCK_SIZE, size));
    if (kind === 1) part.fill(block + 1);
    if (kind === 2) part.set(randomBytes(part.length));
  });
  return data;
};

const operation = fc
  .record({
    kind: fc.constantFrom('add' as const, 'add' as const, 'zero' as const, 'unreadable' as const),
    first: fc.nat(DISK_BLOCKS - 1),
    blocks: fc.array(fc.constantFrom(0, 1, 2), { minLength: 1, maxLength: DISK_BLOCKS }),
    known: fc.boolean(),
    inParts: fc.boolean(),
  })
  .map(({ kind, first, blocks, known, inParts }) => {
    const offset = first * BLOCK_SIZE;
    const length = Math.min(blocks.length * BLOCK_SIZE, DISK_SIZE - offset);
    return { kind, offset, length, data: contentOf(blocks, length), known, inParts };
  });

/** All of it, or block by block. */
const partsOf = (offset: number, data: Uint8Array, known: boolean, inParts: boolean): DataPart[] => {
  const length = inParts ? BLOCK_SIZE : data.length;
  return Array.from({ length: Math.ceil(data.length / length) }, (_, index) => {
    const part = data.subarray(index * length, (index + 1) * length);
    return { offset: offset + index * length, data: part, digests: known ? digestBlocks(part) : undefined };
  });
};

describe('the frame packer', () => {
  it('rebuilds any sequence of overlapping additions, later wins, with exact counters', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 12 }), fc.boolean(), async (operations, awaited) => {
        const { frames, packer } = collect({ inFlight: 2 });
        const expected = new Uint8Array(DISK_SIZE).fill(0x77);
        const sums = { data: 0, zero: 0, unreadable: 0 };
        const calls: Promise<void>[] = [];
        for (const { kind, offset, length, data, known, inParts } of operations) {
          const reused = data.slice();
          const call =
            kind === 'add'
              ? packer.addAll(partsOf(offset, reused, known, inParts)).then(() => void reused.fill(0x55))
              : kind === 'zero'
                ? packer.addZero(offset, length)
                : packer.addUnreadable(offset, length);
          calls.push(call);
          if (awaited) await call;
          if (kind === 'add') expected.set(data, offset);
          else expected.fill(kind === 'zero' ? 0 : UNREADABLE, offset, offset + length);
          if (kind !== 'add') sums[kind] += length;
          else
            for (let at = 0; at < length; at += BLOCK_SIZE) {
              const block = data.subarray(at, Math.min(at + BLOCK_SIZE, length));
              sums[block.every((byte) => byte === 0) ? 'zero' : 'data'] += block.length;
            }
        }
        await Promise.all(calls);
        const counters = await packer.finish();
        const disk = new Uint8Array(DISK_SIZE).fill(0x77);
        await applyFrames(frames, disk);
        expect(Buffer.compare(disk, expected)).toBe(0);
        expect(counters).toEqual({
          frames: frames.length,
          dataBytes: sums.data,
          zeroBytes: sums.zero,
          unreadableBytes: sums.unreadable,
          storedBytes: frames.reduce((sum, frame) => sum + frame.length, 0),
          incompressibleBytes: frames
            .map((frame) => parseFrame(frame))
            .reduce((sum, { codec, dataLength }) => sum + (codec === CODEC.raw ? dataLength : 0), 0),
        });
      }),
      { numRuns: 150 },
    );
  });

  it('counts what compression made no smaller, and nothing where none was asked for', async () => {
    for (const [codec, told] of [
      ['lz4', FRAME_DATA_LIMIT],
      ['raw', 0],
    ] as const) {
      const { packer } = collect({ codec });
      await packer.add(0, randomBytes(FRAME_DATA_LIMIT));
      await packer.add(FRAME_DATA_LIMIT, new Uint8Array(FRAME_DATA_LIMIT).fill(7));
      expect(await packer.finish()).toMatchObject({ dataBytes: 2 * FRAME_DATA_LIMIT, incompressibleBytes: told });
    }
  });

  it('packs scattered small extents together and splits large ones', async () => {
    const { frames, packer } = collect({ codec: 'raw' });
    for (let block = 0; block < 64; block += 1) await packer.add(block * 3 * BLOCK_SIZE, randomBytes(BLOCK_SIZE));
    await packer.add(1024 * BLOCK_SIZE, randomBytes(2 * FRAME_DATA_LIMIT));
    await packer.finish();
    expect(frames.map((frame) => parseFrame(frame).dataLength)).toEqual([FRAME_DATA_LIMIT, FRAME_DATA_LIMIT, FRAME_DATA_LIMIT]);
    expect(parseFrame(frames[0]!).extents).toHaveLength(64);
  });

  it('keeps a terabyte of zeroes in one small frame', async () => {
    const { frames, packer } = collect();
    const size = 1024 * FRAME_EXTENT_LENGTH_LIMIT;
    for (let at = 0; at < size; at += size / 2048) await packer.addZero(at, size / 2048);
    const { zeroBytes, storedBytes } = await packer.finish();
    expect([frames.length, zeroBytes]).toEqual([1, size]);
    expect(storedBytes).toBeLessThan(20_000);
  });

  it('emits in order however long each frame takes, and full frames before their call resolves', async () => {
    const { frames, packer } = collect({ inFlight: 3 });
    const blocks = FRAME_DATA_LIMIT / BLOCK_SIZE;
    const calls: Promise<void>[] = [];
    // Slow and fast frames in turn: random data compresses badly, constant data at once.
    for (let i = 0; i < 24; i += 1) {
      const data = i % 2 === 0 ? randomBytes(FRAME_DATA_LIMIT) : new Uint8Array(FRAME_DATA_LIMIT).fill(i);
      calls.push(packer.add(i * blocks * BLOCK_SIZE, data).then(() => expect(frames.length).toBeGreaterThan(i)));
    }
    await Promise.all(calls);
    await packer.finish();
    expect(frames.map((frame) => parseFrame(frame).extents[0]!.offset / FRAME_DATA_LIMIT)).toEqual([...Array(24).keys()]);
  });

  it('fails every call with the first failure of emit and emits nothing after it', async () => {
    let emitted = 0;
    const { packer } = collect({
      emit: () => {
        emitted += 1;
        if (emitted === 2) throw new Error('full');
      },
    });
    await expect(packer.add(0, randomBytes(4 * FRAME_DATA_LIMIT))).rejects.toThrow('full');
    await expect(packer.addZero(0, BLOCK_SIZE)).rejects.toThrow('full');
    await expect(packer.finish()).rejects.toThrow('full');
    expect(emitted).toBe(2);
  });

  it('refuses offsets inside a block and use after the end', async () => {
    const { packer } = collect();
    await expect(packer.add(512, randomBytes(BLOCK_SIZE))).rejects.toMatchObject({ code: 'INTERNAL' });
    await packer.finish();
    await expect(packer.addZero(0, BLOCK_SIZE)).rejects.toMatchObject({ code: 'INTERNAL' });
  });
});
