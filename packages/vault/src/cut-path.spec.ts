import { create } from '@bufbuild/protobuf';
import { EpochRefSchema, EpochSchema, GenerationSchema, idBytes } from '@holdfast/protocol';
import { pathTo } from './cut-path.ts';
import type { GenerationHistory } from './history.ts';

const id = (digit: string): string => digit.repeat(32);
const refOf = (generation: string, number: bigint) => create(EpochRefSchema, { generationId: idBytes(id(generation)), number });

/** A generation of three epochs, the first of which changed by cut `firstCut`. */
const generation = (name: string, firstCut: number, parent?: { readonly of: string; readonly number: bigint }): GenerationHistory => ({
  id: id(name),
  diskId: id('d'),
  generation: create(GenerationSchema, { id: idBytes(id(name)), ...(parent && { parent: refOf(parent.of, parent.number) }) }),
  firstCut,
  epochs: [0, 1, 2].map((number) => ({ epoch: create(EpochSchema, { number: BigInt(number) }), cut: firstCut + number, runs: [] })),
});
const all = (...generations: GenerationHistory[]) => new Map(generations.map((one) => [one.id, one]));

describe('the path to a state', () => {
  it('goes through parents', () => {
    const { cuts, entries } = pathTo(all(generation('a', 0), generation('b', 3, { of: 'a', number: 1n })), refOf('b', 1n));
    expect(cuts).toEqual([
      { from: 0, to: 1 },
      { from: 3, to: 4 },
    ]);
    expect(entries.map(({ cut }) => cut)).toEqual([0, 1, 3, 4]);
  });

  it.each([
    ['begins on itself', all(generation('a', 0, { of: 'a', number: 1n }))],
    ['comes round', all(generation('a', 0, { of: 'b', number: 1n }), generation('b', 3, { of: 'a', number: 1n }))],
    ['begins on what is not there', all(generation('a', 0, { of: 'c', number: 1n }))],
    ['begins on an epoch that was thinned', all(generation('a', 0, { of: 'b', number: 9n }), generation('b', 3))],
  ])('is damaged where a generation %s', (_, generations) => {
    expect(() => pathTo(generations, refOf('a', 1n))).toThrow(expect.objectContaining({ code: 'DAMAGED' }));
  });
});
