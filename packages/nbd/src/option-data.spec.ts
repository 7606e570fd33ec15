import fc from 'fast-check';
import { encodeString, parseExportQuery, parseMetaQuery } from './option-data.ts';

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const u32 = (value: number): Buffer => Buffer.from([0, 0, value >> 8, value & 255]);

test('queries come back as they were put, and a cut or grown one is refused', () => {
  const name = fc.string({ unit: 'grapheme', maxLength: 50 });
  fc.assert(
    fc.property(name, fc.array(fc.nat(65_535), { maxLength: 5 }), fc.nat(1000), (text, wanted, cut) => {
      const data = Buffer.concat([encodeString(text), u16(wanted.length), ...wanted.map(u16)]);
      expect(parseExportQuery(data)).toEqual({ name: text, wanted });
      expect(parseExportQuery(data.subarray(0, cut % data.length))).toBeUndefined();
      expect(parseExportQuery(Buffer.concat([data, Buffer.alloc(1)]))).toBeUndefined();
    }),
  );
  fc.assert(
    fc.property(name, fc.array(name, { maxLength: 5 }), fc.nat(1000), (text, contexts, cut) => {
      const data = Buffer.concat([encodeString(text), u32(contexts.length), ...contexts.map(encodeString)]);
      expect(parseMetaQuery(data)).toEqual({ name: text, contexts });
      expect(parseMetaQuery(data.subarray(0, cut % data.length))).toBeUndefined();
      expect(parseMetaQuery(Buffer.concat([data, Buffer.alloc(1)]))).toBeUndefined();
    }),
  );
});

test('any bytes are parsed or refused, without more memory than they have', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      parseExportQuery(Buffer.from(bytes));
      parseMetaQuery(Buffer.from(bytes));
    }),
    { numRuns: 2000 },
  );
  const huge = Buffer.concat([encodeString(''), Buffer.from([255, 255, 255, 255])]);
  expect(parseMetaQuery(huge)).toBeUndefined();
  expect(parseExportQuery(Buffer.concat([encodeString('x'.repeat(5000)), u16(0)]))).toBeUndefined();
});
