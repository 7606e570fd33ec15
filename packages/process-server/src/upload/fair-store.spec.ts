import { createMemoryStore } from '@holdfast/object-store';
import fc from 'fast-check';
import { createFairGate, type FairGate, withFairness } from './fair-store.ts';

const MACHINES = ['a', 'b', 'c'].map((letter) => letter.repeat(32));

/** Machines, by the order in which the store began their objects, where `counts` are what each has waiting; and the most at a time. */
const served = async (
  counts: readonly number[],
  most: number,
  gate: FairGate,
): Promise<{ readonly order: string[]; readonly peak: number }> => {
  const memory = createMemoryStore();
  const order: string[] = [];
  let running = 0;
  let peak = 0;
  const store = withFairness(
    {
      ...memory,
      url: memory.url,
      create: async (name) => {
        order.push(name[2]!);
        running += 1;
        peak = Math.max(peak, running);
        await new Promise(setImmediate);
        running -= 1;
      },
    },
    gate,
  );
  const requests = counts.flatMap((count, machine) =>
    Array.from({ length: count }, (_, index) => store.create(`m/${MACHINES[machine]}/log/${index}`, Buffer.alloc(1))),
  );
  await Promise.all(requests);
  expect(order).toHaveLength(counts.reduce((sum, count) => sum + count, 0));
  expect(peak).toBeLessThanOrEqual(most);
  return { order, peak };
};

/** Objects of machine `b` come at the latest after so many of the others each. */
const isFair = (order: readonly string[], most: number): boolean => {
  const first = order.indexOf('b');
  return first < 0 || first <= most + MACHINES.length;
};

describe('uploads of many machines', () => {
  it('take turns by machine: one with much to write does not hold up the others', async () => {
    await fc.assert(
      fc.asyncProperty(fc.tuple(fc.nat(40), fc.nat(5), fc.nat(5)), fc.integer({ min: 1, max: 4 }), async (counts, most) => {
        const { order } = await served(counts, most, createFairGate(most));
        expect(isFair(order, most)).toBe(true);
      }),
      { numRuns: 50 },
    );
    const { order, peak } = await served([6, 3, 1], 2, createFairGate(2));
    expect(order.join('')).toBe('aaabcababa');
    expect(peak).toBe(2);
  });

  it('would not without turns (control)', async () => {
    const inOrder = (most: number): FairGate => {
      const gate = createFairGate(most);
      return { pass: (_, request) => gate.pass('all', request) };
    };
    expect(isFair((await served([20, 1, 0], 2, inOrder(2))).order, 2)).toBe(false);
  });

  it('go on after a request that fails', async () => {
    const gate = createFairGate(1);
    await expect(gate.pass('a', () => Promise.reject(new Error('away')))).rejects.toThrow('away');
    expect(await gate.pass('b', async () => 1)).toBe(1);
  });
});
