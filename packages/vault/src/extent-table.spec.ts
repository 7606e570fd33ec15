import fc from 'fast-check';
import { ExtentTable, firstPieceBehind, flatten } from './extent-table.ts';
import { EXTENT_KIND } from './segment-index.ts';

const DISK = 64;

interface Write {
  readonly start: number;
  readonly length: number;
  readonly kind: number;
}

const write: fc.Arbitrary<Write> = fc
  .record({ start: fc.nat(DISK - 1), length: fc.integer({ min: 1, max: DISK }), kind: fc.constantFrom(...Object.values(EXTENT_KIND)) })
  .map(({ start, length, kind }) => ({ start, length: Math.min(length, DISK - start), kind }));

const tableOf = (writes: readonly Write[], unit = 1): ExtentTable => {
  const table = new ExtentTable();
  for (const [frame, { start, length, kind }] of writes.entries())
    table.push(start * unit, (start + length) * unit, kind, frame, 1000 * frame);
  return table;
};

/** For each byte the write that it is from and the position in its data. */
const naive = (writes: readonly Write[], size: number): (string | undefined)[] => {
  const bytes: (string | undefined)[] = Array(size).fill(undefined);
  for (const [frame, { start, length, kind }] of writes.entries())
    for (let at = start; at < Math.min(start + length, size); at += 1)
      bytes[at] = kind === EXTENT_KIND.zero ? undefined : `${kind}:${frame}:${1000 * frame + at - start}`;
  return bytes;
};

describe('flattening extents', () => {
  it('gives every byte to the last write that covers it', () => {
    fc.assert(
      fc.property(fc.array(write, { maxLength: 40 }), fc.integer({ min: 1, max: DISK }), (writes, size) => {
        const map = flatten(tableOf(writes), size);
        const bytes: (string | undefined)[] = Array(size).fill(undefined);
        for (let piece = 0; piece < map.count; piece += 1) {
          if (piece > 0) expect(map.starts[piece]!).toBeGreaterThanOrEqual(map.ends[piece - 1]!);
          expect(map.ends[piece]!).toBeGreaterThan(map.starts[piece]!);
          for (let at = map.starts[piece]!; at < map.ends[piece]!; at += 1)
            bytes[at] = `${map.kinds[piece]}:${map.frames[piece]}:${map.positions[piece]! + at - map.starts[piece]!}`;
        }
        expect(bytes).toEqual(naive(writes, size));
      }),
      { numRuns: 500 },
    );
  });

  it('keeps one piece for one write, whatever begins inside it and is older or hidden', () => {
    const map = flatten(
      tableOf([
        { start: 10, length: 5, kind: EXTENT_KIND.data },
        { start: 0, length: 64, kind: EXTENT_KIND.data },
      ]),
      64,
    );
    expect([map.count, map.starts[0], map.ends[0]]).toEqual([1, 0, 64]);
  });

  it('is exact for disks of many tebibytes', () => {
    const unit = 2 ** 40;
    const map = flatten(
      tableOf(
        [
          { start: 3, length: 10, kind: EXTENT_KIND.data },
          { start: 5, length: 1, kind: EXTENT_KIND.zero },
          { start: 60, length: 4, kind: EXTENT_KIND.data },
        ],
        unit,
      ),
      64 * unit,
    );
    expect([...map.starts.subarray(0, map.count)]).toEqual([3, 6, 60].map((at) => at * unit));
    expect([...map.ends.subarray(0, map.count)]).toEqual([5, 13, 64].map((at) => at * unit));
  });

  it('flattens many extents, each a piece', () => {
    const table = new ExtentTable();
    const count = 200_000;
    for (let i = 0; i < count; i += 1) {
      const block = (i * 7919) % count;
      table.push(block * 8192, block * 8192 + 4096, EXTENT_KIND.data, i, 0);
    }
    const map = flatten(table, count * 8192);
    expect(map.count).toBe(count);
    expect(map.starts.subarray(0, count).every((start, i) => start === i * 8192)).toBe(true);
  });
});

describe('looking up a piece', () => {
  it('finds the first that ends behind an offset', () => {
    fc.assert(
      fc.property(fc.array(write, { maxLength: 20 }), fc.nat(DISK), (writes, offset) => {
        const map = flatten(tableOf(writes), DISK);
        const ends = [...map.ends.subarray(0, map.count)];
        const found = ends.findIndex((end) => end > offset);
        expect(firstPieceBehind(map, offset)).toBe(found < 0 ? map.count : found);
      }),
    );
  });
});
