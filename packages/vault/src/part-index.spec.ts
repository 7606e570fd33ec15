import fc from 'fast-check';
import { entriesOf } from './level-source.ts';
import { decodePartIndex, encodePartIndex, firstEntryBehind, type PartEntry } from './part-index.ts';

const header = (sizes: readonly number[]) => ({ frameCount: sizes.length, framesLength: sizes.reduce((sum, size) => sum + size + 16, 0) });
const entry = (offset: number, cut: number, length = 4096): PartEntry => ({ offset, length, kind: 0, cut, frame: 0, position: 0 });

describe('the index of a part', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            gap: fc.nat(5),
            length: fc.integer({ min: 1, max: 2 ** 30 }),
            cuts: fc.uniqueArray(fc.nat(), { minLength: 1, maxLength: 4 }),
          }),
        ),
        fc.array(fc.nat(70_000), { minLength: 1, maxLength: 5 }),
        (groups, sizes) => {
          let offset = 2 ** 40;
          const entries = groups.flatMap(({ gap, length, cuts }) => {
            offset += gap;
            const versions = cuts
              .sort((a, b) => b - a)
              .map((cut) => ({ ...entry(offset, cut, length), frame: cut % sizes.length, position: cut % 65_536 }));
            offset += length;
            return versions;
          });
          const index = decodePartIndex(encodePartIndex(sizes, entries), header(sizes), 500, 'part');
          expect([...entriesOf(index)]).toEqual(entries);
          expect(index.positions[0]).toBe(500);
          expect(index.positions[sizes.length]).toBe(500 + header(sizes).framesLength);
          for (const [i, { offset: start, length }] of entries.entries())
            expect(entries[firstEntryBehind(index, start + length - 1)]!.offset).toBe(entries[i]!.offset);
          expect(firstEntryBehind(index, offset)).toBe(entries.length);
        },
      ),
    );
  });

  it.each<[string, PartEntry[]]>([
    ['entries that overlap', [entry(0, 5), entry(2048, 6)]],
    ['versions of different length', [entry(0, 5), entry(0, 4, 8192)]],
    ['versions that are not newest first', [entry(0, 4), entry(0, 5)]],
    ['a version twice', [entry(0, 4), entry(0, 4)]],
    ['no bytes', [entry(0, 4, 0)]],
    ['a frame that is not there', [{ ...entry(0, 4), frame: 1 }]],
    ['an unknown kind', [{ ...entry(0, 4), kind: 3 }]],
  ])('is damaged with %s', (_, entries) => {
    expect(() => decodePartIndex(encodePartIndex([100], entries), header([100]), 160, 'part')).toThrow(
      expect.objectContaining({ code: 'DAMAGED', thing: 'part' }),
    );
  });

  it('is damaged when its length or its frames are others', () => {
    const bytes = encodePartIndex([100], [entry(0, 4)]);
    for (const wrong of [bytes.subarray(1), Buffer.concat([bytes, Buffer.alloc(1)]), Buffer.alloc(0)])
      expect(() => decodePartIndex(wrong, header([100]), 160, 'part')).toThrow(/wrong length/);
    expect(() => decodePartIndex(bytes, header([101]), 160, 'part')).toThrow(/its header differ/);
  });
});
