import { BLOCK_SIZE, openFrame, parseFrame } from '@holdfast/block';
import fc from 'fast-check';
import { createFramePacker } from '../frames/frame-packer.ts';
import { createStaging } from './staging.ts';

const BLOCKS = 600;
const SIZE = BLOCKS * BLOCK_SIZE - 1024;

const filled = (value: number, length: number): Uint8Array => new Uint8Array(length).fill(value);

/** What the frames of a staging make of a disk of bytes 0xee. */
const flushed = async (put: (staging: ReturnType<typeof createStaging>, flush: () => void) => void): Promise<Uint8Array> => {
  const disk = filled(0xee, SIZE);
  const frames: Uint8Array[] = [];
  const packer = createFramePacker({ codec: 'raw', emit: (frame) => frames.push(frame) });
  const staging = createStaging(SIZE);
  const flushes: Promise<void>[] = [];
  put(staging, () => flushes.push(staging.flush(packer)));
  await Promise.all([...flushes, staging.flush(packer)]);
  await packer.finish();
  for (const bytes of frames) {
    const frame = parseFrame(bytes);
    const data = await openFrame(frame);
    let at = 0;
    for (const { offset, length, kind } of frame.extents) {
      if (kind === 'data') disk.set(data.subarray(at, at + length), offset);
      else disk.fill(kind === 'zero' ? 0 : 0xbd, offset, offset + length);
      if (kind === 'data') at += length;
    }
  }
  return disk;
};

describe('staging', () => {
  test('gives back what was put last, block for block, also what is put while frames are made of the rest', async () => {
    const step = fc.record({
      kind: fc.constantFrom('put', 'zero', 'unreadable', 'flush'),
      first: fc.nat(BLOCKS - 1),
      count: fc.integer({ min: 1, max: 300 }),
      value: fc.integer({ min: 1, max: 200 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const expected = filled(0xee, SIZE);
        const disk = await flushed((staging, flush) => {
          for (const { kind, first, count, value } of steps) {
            if (kind === 'flush') {
              flush();
              continue;
            }
            const offset = first * BLOCK_SIZE;
            const length = Math.min(count * BLOCK_SIZE, SIZE - offset);
            if (kind === 'put') staging.put(offset, filled(value, length));
            else if (kind === 'zero') staging.putZero({ offset, length });
            else staging.putUnreadable({ offset, length });
            expected.fill(kind === 'put' ? value : kind === 'zero' ? 0 : 0xbd, offset, offset + length);
          }
        });
        expect(Buffer.compare(disk, expected)).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  test('frees its memory when flushed and remembers its blocks', async () => {
    const staging = createStaging(SIZE);
    staging.put(0, filled(1, 2 * BLOCK_SIZE));
    expect(staging.bytes).toBeGreaterThan(0);
    const packer = createFramePacker({ codec: 'raw', emit: () => undefined });
    await staging.flush(packer);
    await packer.finish();
    expect(staging.bytes).toBe(0);
    expect(staging.blocks.size).toBe(2);
  });
});
