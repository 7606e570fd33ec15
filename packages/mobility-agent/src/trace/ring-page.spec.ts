import fc from 'fast-check';
import { type PageSummary, parseRingPage, timeBase } from './ring-page.ts';
import { type WrittenRecord, writePage } from './testing/page-writer.ts';

const PAGE = 4096;

interface Seen {
  readonly time: number;
  readonly words: number[];
}

const parse = (page: Uint32Array, base: bigint): PageSummary & { seen: Seen[] } => {
  const seen: Seen[] = [];
  const summary = parseRingPage(page, timeBase(base), {
    record: (words, first, count, time) => seen.push({ time, words: [...words.subarray(first, first + count)] }),
  });
  return { ...summary, seen };
};

const word = fc.integer({ min: 0, max: 0xffff_ffff });
const record = fc.record<WrittenRecord>({
  delta: fc.oneof(fc.bigInt({ min: 2n, max: 5000n }), fc.bigInt({ min: 0n, max: 1n << 40n })),
  words: fc.array(word, { minLength: 1, maxLength: 12 }),
  how: fc.constantFrom('short', 'short', 'long', 'discarded'),
  stamp: fc.boolean(),
});
const uptime = fc.bigInt({ min: 0n, max: 1n << 58n });

describe('parseRingPage', () => {
  it('finds every record with its exact time', () => {
    fc.assert(
      fc.property(
        uptime,
        fc.bigInt({ min: -(1n << 45n), max: 1n << 45n }),
        fc.array(record, { maxLength: 40 }),
        (start, apart, records) => {
          const base = start + apart < 0n ? 0n : start + apart;
          const { seen, ...summary } = parse(writePage(PAGE, start, records), base);
          let time = start;
          let written = start;
          const expected: Seen[] = [];
          for (const { delta, words, how, stamp } of records) {
            written += delta;
            // A discarded record's delta of 0 is written as 1, which the kernel's reader takes for 0 again; a written 1 as well.
            const afterTimeRecord = delta >= 1n << 27n || stamp === true;
            time += how === 'discarded' && !afterTimeRecord && delta === 1n ? 0n : delta;
            // A stamp tells what the writer's clock says.
            if (stamp === true) time = written;
            if (how !== 'discarded') expected.push({ time: Number(time - base), words: [...words] });
          }
          expect(seen).toEqual(expected);
          expect(summary).toEqual({ records: expected.length, lost: 0 });
        },
      ),
    );
  });

  it('stops at padding to the end of the page', () => {
    const page = writePage(PAGE, 5n, [{ delta: 3n, words: [7] }]);
    page.set([29, 0xffff_ffff], 6);
    page[2] = 2048;
    expect(parse(page, 0n)).toEqual({ records: 1, lost: 0, seen: [{ time: 8, words: [7] }] });
  });

  it('reports lost records, counted or not', () => {
    const records = [{ delta: 1n, words: [1] }];
    expect(parse(writePage(PAGE, 0n, records, 213_480n), 0n)).toMatchObject({ records: 1, lost: 213_480 });
    expect(parse(writePage(PAGE, 0n, records, 'unknown'), 0n)).toMatchObject({ records: 1, lost: -1 });
    expect(parse(writePage(PAGE, 0n, records), 0n).lost).toBe(0);
  });

  it.each([
    ['more bytes than the page', (page: Uint32Array) => page.set([PAGE], 2)],
    ['more than 32 bits of length', (page: Uint32Array) => page.set([1], 3)],
    ['an odd number of bytes', (page: Uint32Array) => page.set([7], 2)],
    ['a record beyond the end', (page: Uint32Array) => page.set([28], 4)],
    ['a long record without a length', (page: Uint32Array) => page.set([0, 0], 4)],
    ['a long record beyond the end', (page: Uint32Array) => page.set([0, 0xffff_fffc], 4)],
    ['a time record cut in two', (page: Uint32Array) => page.set([4, 0, 30], 2)],
    ['a page that was never filled', (page: Uint32Array) => page.fill(0, 4)],
  ])('finds fault with %s', (_name, spoil) => {
    const page = writePage(PAGE, 0n, [{ delta: 1n, words: [1] }]);
    spoil(page);
    expect(parse(page, 0n).fault).toBeDefined();
  });

  it('survives any bytes: looks at nothing outside of the page and ends', () => {
    const bytes = fc.uint8Array({ minLength: PAGE, maxLength: PAGE });
    const length = fc.integer({ min: 0, max: PAGE / 4 }).map((count) => count * 4);
    fc.assert(
      fc.property(bytes, length, fc.boolean(), (raw, commit, plausible) => {
        const page = new Uint32Array(Uint8Array.from(raw).buffer);
        if (plausible) page.set([commit, 0], 2);
        let inside = true;
        const { records } = parseRingPage(page, timeBase(0n), {
          record: (_words, first, count, time) => {
            inside &&= first >= 5 && count >= 0 && first + count <= PAGE / 4 && Number.isFinite(time);
          },
        });
        expect(inside).toBe(true);
        expect(records).toBeLessThanOrEqual(PAGE / 8);
      }),
      { numRuns: 2000 },
    );
  });

  it('survives a flipped bit in a good page', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 30 }), fc.nat(PAGE * 8 - 1), (records, bit) => {
        const page = writePage(PAGE, 1n << 40n, records);
        page[bit >> 5]! ^= 1 << (bit & 31);
        expect(() => parse(page, 1n << 40n)).not.toThrow();
      }),
      { numRuns: 500 },
    );
  });
});
