import fc from 'fast-check';
import { createReadEnds, type ReadEnds } from './read-ends.ts';

const BLOCKS = 60;

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('read' as const), block: fc.nat(BLOCKS), count: fc.integer({ min: 1, max: 9 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('put' as const, 'delete' as const), block: fc.nat(BLOCKS), count: fc.constant(1) }),
  },
  fc.record({ kind: fc.constant('clear' as const), block: fc.constant(0), count: fc.constant(0) }),
);

const behavesLikeAMap = (create: () => ReadEnds) =>
  fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, ascending) => {
    const ends = create();
    const model = new Map<number, number>();
    // As in a round: what is read lies behind what was read before.
    const inOrder = ascending ? steps.toSorted((a, b) => a.block - b.block) : steps;
    for (const [time, { kind, block, count }] of inOrder.entries()) {
      if (kind === 'read') {
        ends.read(block, count, time);
        for (let at = block; at < block + count; at += 1) model.set(at, time);
      } else if (kind === 'put') {
        ends.put(block, time - 5);
        model.set(block, Math.max(time - 5, model.get(block) ?? time - 5));
      } else if (kind === 'delete') {
        ends.delete(block);
        model.delete(block);
      } else {
        ends.clear();
        model.clear();
        expect(ends.count).toBe(0);
      }
      for (let at = 0; at < BLOCKS + 10; at += 1) expect(ends.get(at)).toBe(model.get(at));
    }
  });

test('the ends of reads behave like a Map', () => {
  fc.assert(behavesLikeAMap(createReadEnds));
});

test('a read that is known of its first block only is noticed', () => {
  const short = (): ReadEnds => {
    const ends = createReadEnds();
    const read = ends.read.bind(ends);
    ends.read = (first, _, time) => read(first, 1, time);
    return ends;
  };
  expect(() => fc.assert(behavesLikeAMap(short))).toThrow();
});

test('what is read as a whole is one entry', () => {
  const ends = createReadEnds();
  for (let mebibyte = 0; mebibyte < 1000; mebibyte += 1) ends.read(mebibyte * 256, 256, mebibyte);
  expect(ends.count).toBe(1000);
  expect([ends.get(0), ends.get(255), ends.get(256), ends.get(255_999), ends.get(256_000)]).toEqual([0, 0, 1, 999, undefined]);
});
