import fc from 'fast-check';
import { readStamp, STAMP_SIZE, writeStamp } from './stamp.ts';

describe('stamps', () => {
  const stamp = { file: 7, block: 12, sequence: 99, time: 123_456_789_012_345n };
  const block = Buffer.alloc(STAMP_SIZE);
  beforeEach(() => writeStamp(stamp, block));

  it('tell what was written', () => {
    expect(readStamp(block)).toEqual(stamp);
    expect(readStamp(Buffer.alloc(STAMP_SIZE))).toBe('zero');
  });

  it('are garbage after any change of a byte', () => {
    fc.assert(
      fc.property(fc.nat(STAMP_SIZE - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const torn = Buffer.from(block);
        torn[at]! ^= change;
        expect(readStamp(torn)).toBe('garbage');
      }),
    );
  });

  it('are garbage when two writes mix in any sector', () => {
    const other = Buffer.alloc(STAMP_SIZE);
    writeStamp({ ...stamp, sequence: 100, time: stamp.time + 1n }, other);
    for (let at = 512; at < STAMP_SIZE; at += 512)
      expect(readStamp(Buffer.concat([block.subarray(0, at), other.subarray(at)]))).toBe('garbage');
  });
});
