import { findCycles } from './cycles.ts';

const graph = (edges: Record<string, string[]>) => new Map(Object.entries(edges));

describe('findCycles', () => {
  it('finds none where there is none, however often a node is reached', () => {
    expect(findCycles(graph({ a: ['b', 'c'], b: ['d'], c: ['d'], d: [] }))).toEqual([]);
  });

  it('names the nodes along a cycle, and not those that only lead to it', () => {
    expect(findCycles(graph({ start: ['a'], a: ['b'], b: ['c', 'd'], c: ['a'], d: [] }))).toEqual([['a', 'b', 'c', 'a']]);
  });

  it('finds a node that points to itself and cycles that share nothing', () => {
    expect(findCycles(graph({ a: ['a'], b: ['c'], c: ['b'] }))).toEqual([
      ['a', 'a'],
      ['b', 'c', 'b'],
    ]);
  });
});
