import fc from 'fast-check';
import { createPacker } from './pack-bytes.ts';

it('gives back every byte string as it was, whatever came behind it, in few pieces of memory', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 20_000 }), { maxLength: 60 }), (all) => {
      const pack = createPacker();
      const packed = all.map((bytes) => pack(bytes));
      expect(packed.map((bytes) => Buffer.from(bytes))).toEqual(all.map((bytes) => Buffer.from(bytes)));
      const pieces = new Set(packed.flatMap((bytes, index) => (all[index]!.length > 8192 ? [] : [bytes.buffer])));
      const small = all.reduce((sum, { length }) => sum + (length > 8192 ? 0 : length), 0);
      expect(pieces.size).toBeLessThanOrEqual(1 + Math.ceil(small / (64 * 1024 - 8192)));
    }),
  );
});
