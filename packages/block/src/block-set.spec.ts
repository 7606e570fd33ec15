import fc from 'fast-check';
import { type BlockSet, createBlockSet, runExtent } from './block-set.ts';
import { BLOCK_SIZE } from './geometry.ts';
import { createSparseBlockSet } from './sparse-block-set.ts';

// Many regions of the sparse set and an odd rest; blocks gather where words and regions meet.
const BLOCKS = 96 * 1024 + 37;
const SIZE = BLOCKS * BLOCK_SIZE - 1000;
const block = fc.oneof(
  fc.nat(BLOCKS - 1),
  fc.nat(70),
  fc.tuple(fc.constantFrom(1024, 65_536, 98_304), fc.integer({ min: -34, max: 34 })).map(([base, near]) => base + near),
);

const step = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), block }),
  fc.record({ kind: fc.constant('delete' as const), block }),
  fc.record({ kind: fc.constant('bytes' as const), block, within: fc.nat(BLOCK_SIZE - 1), length: fc.nat(80 * BLOCK_SIZE) }),
  fc.record({ kind: fc.constantFrom('addRun' as const, 'deleteRun' as const), block, count: fc.oneof(fc.nat(100), fc.nat(3000)) }),
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const) }) },
);

const behavesLikeASet = (create: (size: number) => BlockSet) =>
  fc.property(fc.array(step, { maxLength: 40 }), fc.option(fc.integer({ min: 1, max: 50 })), (steps, limit) => {
    const set = create(SIZE);
    const model = new Set<number>();
    for (const one of steps) {
      if (one.kind === 'clear') {
        set.clear();
        model.clear();
      } else if (one.kind === 'addRun' || one.kind === 'deleteRun') {
        const count = Math.min(one.count, BLOCKS - one.block);
        set[one.kind](one.block, count);
        for (let at = one.block; at < one.block + count; at += 1) model[one.kind === 'addRun' ? 'add' : 'delete'](at);
      } else if (one.kind === 'bytes') {
        const offset = one.block * BLOCK_SIZE + one.within;
        set.addBytes(offset, one.length);
        for (let at = one.block; at * BLOCK_SIZE < offset + one.length && at < BLOCKS && one.length > 0; at += 1) model.add(at);
      } else {
        set[one.kind](one.block);
        model[one.kind](one.block);
      }
      expect(set.size).toBe(model.size);
    }
    expect(set.blocks).toBe(BLOCKS);
    const runs = [...(limit === null ? set.runs() : set.runs(limit))];
    const listed = runs.flatMap(({ first, count }) => Array.from({ length: count }, (_, index) => first + index));
    expect(listed).toEqual([...model].sort((a, b) => a - b));
    for (const { first } of runs) expect(set.has(first)).toBe(true);
    for (const { first, count } of runs) expect(set.has(first + count)).toBe(model.has(first + count));
    runs.forEach(({ first, count }, index) => {
      expect(count).toBeLessThanOrEqual(limit ?? Number.POSITIVE_INFINITY);
      const last = runs[index - 1];
      // Neighbouring runs exist only where the limit cut them.
      if (last !== undefined && last.first + last.count === first) expect(last.count).toBe(limit);
    });
  });

test.each([
  ['dense', createBlockSet],
  ['sparse', createSparseBlockSet],
])('a %s block set behaves like a Set of numbers', (_, create) => {
  fc.assert(behavesLikeASet((size) => create(size)));
});

test.each([
  ['dense', createBlockSet],
  ['sparse', createSparseBlockSet],
])('long runs go into a %s block set and out of it', (_, create) => {
  const set = create(SIZE);
  set.addRun(3, BLOCKS - 5);
  set.deleteRun(31, 40_000);
  set.deleteRun(0, 5);
  set.addRun(32_767, 2);
  expect([...set.runs()]).toEqual([
    { first: 5, count: 26 },
    { first: 32_767, count: 2 },
    { first: 40_031, count: BLOCKS - 2 - 40_031 },
  ]);
  expect(set.size).toBe(26 + 2 + BLOCKS - 2 - 40_031);
});

test.each([
  ['dense', createBlockSet],
  ['sparse', createSparseBlockSet],
])('a %s block set has no block behind the end of the disk', (_, create) => {
  const set = create(SIZE);
  set.addRun(0, BLOCKS);
  expect([set.has(BLOCKS - 1), set.has(BLOCKS)]).toEqual([true, false]);
});

test('a set that forgets a block is noticed', () => {
  const forgetful = (size: number): BlockSet => {
    const set = createBlockSet(size);
    const addBytes = set.addBytes.bind(set);
    set.addBytes = (offset, length) => addBytes(offset, length - BLOCK_SIZE);
    return set;
  };
  expect(() => fc.assert(behavesLikeASet(forgetful))).toThrow();
});

test('the last run ends with the disk', () => {
  expect(runExtent({ first: 0, count: 2 }, SIZE)).toEqual({ offset: 0, length: 2 * BLOCK_SIZE });
  expect(runExtent({ first: BLOCKS - 1, count: 1 }, SIZE)).toEqual({ offset: (BLOCKS - 1) * BLOCK_SIZE, length: BLOCK_SIZE - 1000 });
});
