import { create } from '@bufbuild/protobuf';
import { type CutContent, CutSchema, idBytes, idText, newId } from '@holdfast/protocol';
import { createFigures, durableUpTo } from './figures.ts';

const contentOf = (dataBytes: bigint, pointAt?: bigint): CutContent => ({
  cut: create(CutSchema, {
    id: idBytes(newId()),
    epochs: [{ dataBytes }, { zeroBytes: dataBytes === 0n ? 0n : 1n }],
    ...(pointAt === undefined ? {} : { point: { instant: { unixNanos: pointAt * 1_000_000n } } }),
  }),
  frames: async function* () {},
});

describe('the figures of an engine', () => {
  it('count every cut once, freed or not', () => {
    const figures = createFigures();
    const cuts = [contentOf(10n), contentOf(20n, 1n), contentOf(30n, 2n), contentOf(0n, 3n)] as const;
    expect(figures.count([cuts[0]])).toBe(false);
    expect(figures.count([cuts[0], cuts[1]])).toBe(true);
    expect(figures.count([cuts[0], cuts[1]])).toBe(false);
    expect(figures.count([cuts[2], cuts[3]])).toBe(true);
    expect(figures.count([])).toBe(false);
    figures.countConflict();
    expect([figures.points, figures.changedBytes, figures.conflicts]).toEqual([3, 63, 1]);
  });

  it.each<[string, CutContent[], number, number]>([
    ['nothing is held', [], 0, 100],
    ['empty points are on the disk of the server', [contentOf(0n, 200n), contentOf(0n, 300n)], 2, 300],
    ['the second is not', [contentOf(0n, 200n), contentOf(0n, 300n)], 1, 200],
    ['something changed before an empty one', [contentOf(1n, 200n), contentOf(0n, 300n)], 2, 100],
    ['a piece of a copy lies between', [contentOf(0n), contentOf(0n, 300n)], 2, 100],
  ])('tell up to when all is durable: %s', (_, held, journaled, expected) => {
    const known = new Set(held.slice(0, journaled).map(({ cut }) => idText(cut.id)));
    expect(durableUpTo(100, held, (id) => known.has(id))).toBe(expected);
  });
});
