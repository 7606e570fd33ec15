import fc from 'fast-check';
import { mergeByStart, type StateOf, sweep, type Version } from './sweep.ts';

const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

const version = fc.record({ start: fc.nat(40), length: fc.integer({ min: 1, max: 12 }), cut: fc.nat(12) });
const versionsOf = (rows: readonly { start: number; length: number; cut: number }[]): Version[] =>
  rows.map(({ start, length, cut }, order) => ({ start, end: start + length, cut, order })).sort((a, b) => a.start - b.start);

/** Kept states 3, 7 and 12; nobody sees what cuts 8 and 9 did. */
const stateOf: StateOf = (cut) => (cut <= 3 ? 3 : cut <= 7 ? 7 : cut <= 9 ? undefined : 12);

describe('putting versions side by side', () => {
  it('gives for every byte and every kept state the newest version', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(version, { maxLength: 30 }), async (rows) => {
        const versions = versionsOf(rows);
        const groups = await collect(sweep(versions, stateOf));
        for (const [i, { start, end, versions: seen }] of groups.entries()) {
          expect(start).toBeLessThan(end);
          expect(start).toBeGreaterThanOrEqual(groups[i - 1]?.end ?? 0);
          expect(seen.length).toBeGreaterThan(0);
          expect(seen.map(({ cut }) => cut)).toEqual(seen.map(({ cut }) => cut).sort((a, b) => b - a));
        }
        for (let byte = 0; byte < 60; byte += 1) {
          const group = groups.find(({ start, end }) => start <= byte && byte < end);
          for (const state of [3, 7, 12]) {
            const newest = versions
              .filter(({ start, end, cut }) => start <= byte && byte < end && stateOf(cut) === state)
              .sort((a, b) => b.cut - a.cut || b.order - a.order)[0];
            expect(group?.versions.find(({ cut }) => stateOf(cut) === state)).toBe(newest);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('does not split what nothing splits', async () => {
    const [long, short, gone] = versionsOf([
      { start: 0, length: 30, cut: 1 },
      { start: 10, length: 5, cut: 2 },
      { start: 20, length: 5, cut: 8 },
    ]);
    expect(await collect(sweep([long!, short!, gone!], stateOf))).toEqual([
      { start: 0, end: 10, versions: [long] },
      { start: 10, end: 15, versions: [short] },
      { start: 15, end: 30, versions: [long] },
    ]);
    expect(await collect(sweep([], stateOf))).toEqual([]);
  });

  it('merges sources by their starts', async () => {
    async function* from(...starts: number[]) {
      for (const start of starts) yield { start, end: start + 1, cut: 0, order: 0 };
    }
    expect((await collect(mergeByStart([from(1, 4, 9), from(), from(2, 3, 10)]))).map(({ start }) => start)).toEqual([1, 2, 3, 4, 9, 10]);
  });
});
