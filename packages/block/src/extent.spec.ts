import fc from 'fast-check';
import { extentEnd, mergeExtents, totalLength } from './extent.ts';

const extents = fc.array(fc.record({ offset: fc.nat(200), length: fc.nat(20) }));

const bytesOf = (list: Iterable<{ offset: number; length: number }>): Set<number> => {
  const bytes = new Set<number>();
  for (const { offset, length } of list) for (let at = offset; at < offset + length; at += 1) bytes.add(at);
  return bytes;
};

test('merged extents hold the same bytes, sorted, apart from each other', () => {
  fc.assert(
    fc.property(extents, (list) => {
      const before = structuredClone(list);
      const merged = mergeExtents(list);
      expect(list).toEqual(before);
      expect(bytesOf(merged)).toEqual(bytesOf(list));
      expect(totalLength(merged)).toBe(bytesOf(list).size);
      merged.forEach((extent, index) => {
        expect(extent.length).toBeGreaterThan(0);
        if (index > 0) expect(extent.offset).toBeGreaterThan(extentEnd(merged[index - 1]!));
      });
    }),
  );
});

test('lengths add up beyond 32 bits', () => {
  expect(
    totalLength([
      { offset: 0, length: 2 ** 40 },
      { offset: 2 ** 41, length: 1 },
    ]),
  ).toBe(2 ** 40 + 1);
  expect(totalLength([])).toBe(0);
});
