import fc from 'fast-check';
import type { BlockSet } from './block-set.ts';
import { BLOCK_SIZE } from './geometry.ts';
import { LEAF_WORDS, REGION_BLOCKS } from './leaf-bits.ts';
import { createRegionBlockSet, type LeafMemory, REGION, type RegionTable } from './region-block-set.ts';

const REGIONS = 40;
const BLOCKS = (REGIONS - 1) * REGION_BLOCKS + 37;
const PER_PIECE = 2;

/** A table and leaves that tell of each store to the table, and of each change of what memory there is, before and after it. */
interface Memory {
  readonly table: Uint32Array;
  readonly pieces: Uint32Array[];
  most: number;
  onStore(): void;
}

const createMemory = (): Memory => ({ table: new Uint32Array(REGIONS), pieces: [], most: REGIONS, onStore: () => undefined });

const open = (memory: Memory): BlockSet => {
  const { table: words, pieces } = memory;
  const table: RegionTable = {
    get: (region) => words[region] ?? REGION.none,
    set: (region, value) => {
      memory.onStore();
      words[region] = value;
      memory.onStore();
    },
    regions: () => Array.from(words.keys()).filter((region) => words[region] !== REGION.none),
  };
  const leaves: LeafMemory = {
    perPiece: PER_PIECE,
    pieces,
    // What is in new memory does not matter.
    grow: () => pieces.length < memory.most && pieces.push(new Uint32Array(PER_PIECE * LEAF_WORDS).fill(0xdead_beef)) > 0,
    shrink: (count) => {
      memory.onStore();
      pieces.splice(count);
      memory.onStore();
    },
  };
  return createRegionBlockSet(BLOCKS, table, leaves);
};

const copyOf = ({ table, pieces }: Memory): Memory => ({
  ...createMemory(),
  table: table.slice(),
  pieces: pieces.map((piece) => piece.slice()),
});

const listOf = (set: BlockSet): number[] =>
  [...set.runs()].flatMap(({ first, count }) => Array.from({ length: count }, (_, at) => first + at));

interface Step {
  readonly isIn: boolean;
  readonly first: number;
  readonly count: number;
}

const step = fc.record({
  isIn: fc.boolean(),
  first: fc.oneof(
    fc.nat(BLOCKS - 1),
    fc.nat(REGIONS - 1).map((region) => region * REGION_BLOCKS),
  ),
  count: fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1, max: 40 }) }, fc.integer({ min: 1, max: 12 * REGION_BLOCKS })),
});

const change = (set: Pick<BlockSet, 'addRun' | 'deleteRun'>, { isIn, first, count }: Step): void =>
  set[isIn ? 'addRun' : 'deleteRun'](first, Math.min(count, BLOCKS - first));

const modelOf = () => {
  const model = new Set<number>();
  const each = (isIn: boolean) => (first: number, count: number) => {
    for (let block = first; block < first + count; block += 1) model[isIn ? 'add' : 'delete'](block);
  };
  return { model, addRun: each(true), deleteRun: each(false) };
};

/** Whoever is killed between any two stores leaves what stays in the set, and nothing that was not in it. `seen` makes of the memory what a successor finds. */
const survivesKills = (seen: (memory: Memory, begun: Memory) => Memory) =>
  fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
    const memory = createMemory();
    const set = open(memory);
    const { model, ...plain } = modelOf();
    for (const one of steps) {
      const old = new Set(model);
      change(plain, one);
      const begun = copyOf(memory);
      memory.onStore = () => {
        const found = open(seen(copyOf(memory), begun));
        const blocks = listOf(found);
        expect(found.size).toBe(blocks.length);
        expect(blocks.every((block) => old.has(block) || model.has(block))).toBe(true);
        let lost = 0;
        for (const block of old) if (model.has(block) && !found.has(block)) lost += 1;
        expect(lost).toBe(0);
      };
      change(set, one);
      memory.onStore = () => undefined;
      const blocks = listOf(set);
      expect(blocks).toEqual([...model].sort((a, b) => a - b));
      expect(set.size).toBe(blocks.length);
      expect(listOf(open(copyOf(memory)))).toEqual(blocks);
    }
  });

describe('a set in two levels', () => {
  it('is whole between any two stores', () => {
    fc.assert(
      survivesKills((memory) => memory),
      { numRuns: 30 },
    );
  });

  it('would lose blocks if its table named a leaf before that is filled', () => {
    expect(() => fc.assert(survivesKills(({ table }, { pieces }) => ({ ...createMemory(), table, pieces })))).toThrow();
  });

  it('gives memory back when little is left in it', () => {
    const memory = createMemory();
    const set = open(memory);
    const blocks = Array.from({ length: REGIONS }, (_, region) => region * REGION_BLOCKS + (region % 30));
    for (const block of blocks) set.add(block);
    expect(memory.pieces.length).toBe(REGIONS / PER_PIECE);
    for (const block of blocks.slice(0, -3)) set.delete(block);
    expect(memory.pieces.length).toBeLessThan(6);
    expect(listOf(set)).toEqual(blocks.slice(-3));
    set.clear();
    expect(memory.pieces.length).toBe(0);
    expect([set.size, listOf(set)]).toEqual([0, []]);
  });

  it('takes none for what is in it as a whole', () => {
    const memory = createMemory();
    const set = open(memory);
    set.addRun(0, BLOCKS);
    expect([set.size, memory.pieces.length]).toEqual([BLOCKS, 0]);
    expect([...set.runs()]).toEqual([{ first: 0, count: BLOCKS }]);
    set.delete(BLOCKS - 1);
    expect([...set.runs()]).toEqual([{ first: 0, count: BLOCKS - 1 }]);
    set.add(BLOCKS - 1);
    expect([...memory.table]).toEqual(Array.from({ length: REGIONS }, () => REGION.all));
  });

  it('has too much rather than too little when there is no memory', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat(6), (steps, most) => {
        const memory = { ...createMemory(), most };
        const set = open(memory);
        const { model, ...plain } = modelOf();
        for (const one of steps) {
          change(plain, one);
          change(set, one);
        }
        const blocks = listOf(set);
        expect(set.size).toBe(blocks.length);
        expect([...model].filter((block) => !set.has(block))).toEqual([]);
        expect(listOf(open(copyOf(memory)))).toEqual(blocks);
      }),
    );
  });

  it.each([
    ['is not there', (table: Uint32Array) => table.fill(9, 3, 4)],
    ['is another region’s too', (table: Uint32Array) => table.fill(table[1]!, 3, 4)],
  ])('counts a region whose leaf %s as in the set', (_, damage) => {
    const memory = createMemory();
    open(memory).addBytes(REGION_BLOCKS * BLOCK_SIZE, 1);
    damage(memory.table);
    const set = open(memory);
    expect([...set.runs()]).toEqual([
      { first: REGION_BLOCKS, count: 1 },
      { first: 3 * REGION_BLOCKS, count: REGION_BLOCKS },
    ]);
    expect(set.size).toBe(1 + REGION_BLOCKS);
  });
});
