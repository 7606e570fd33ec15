import zlib from 'node:zlib';
import fc from 'fast-check';
import { createFrame, serializeFrame } from './frame.ts';
import { frameCrc } from './frame-crc.ts';

const frameOf = async (data: Uint8Array): Promise<Buffer> =>
  serializeFrame(await createFrame(data.length === 0 ? [] : [{ offset: 4096, length: data.length, kind: 'data' }], data, 'lz4'));

describe('the checksum of a whole frame', () => {
  it('is that of its bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 20_000 }), async (data) => {
        const frame = await frameOf(data);
        expect(frameCrc(frame)).toBe(zlib.crc32(frame));
      }),
    );
    for (const size of [0, 65_535, 262_144]) {
      const frame = await frameOf(Buffer.alloc(size, 'some data that repeats itself '));
      expect(frameCrc(frame)).toBe(zlib.crc32(frame));
    }
  });

  it('is not that of a frame that was changed', async () => {
    const frame = await frameOf(Buffer.alloc(5000, 'data'));
    for (let bit = 0; bit < frame.length * 8; bit += 7) {
      frame[bit >> 3]! ^= 1 << (bit & 7);
      expect(frameCrc(frame)).not.toBe(zlib.crc32(frame));
      frame[bit >> 3]! ^= 1 << (bit & 7);
    }
  });
});
