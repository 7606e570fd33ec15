import fc from 'fast-check';
import { LoneWrites } from './lone-writes.ts';

const found = (writes: LoneWrites): [number, number, number][] =>
  writes.places().map((at) => [writes.keys[at]!, writes.lengths[at]!, writes.issued[at]!]);

const byKey = ([a]: readonly number[], [b]: readonly number[]): number => a! - b!;

describe('lone writes', () => {
  // Strides of what programs write, beginnings beyond 32 bits, and few keys, so that they meet in few places.
  const key = fc
    .record({ stride: fc.constantFrom(512, 4096, 2 ** 20, 2 ** 30, 2 ** 33), step: fc.nat(40), disk: fc.nat(2) })
    .map(({ stride, step, disk }) => stride * step + disk);

  test('are what a map would hold', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, fc.boolean()), { maxLength: 300 }), (steps) => {
        const writes = new LoneWrites();
        const model = new Map<number, [number, number]>();
        for (const [step, [one, adds]] of steps.entries()) {
          const at = writes.find(one);
          expect(at >= 0).toBe(model.has(one));
          if (at < 0 && adds) {
            writes.add(one, step, step / 3);
            model.set(one, [step, step / 3]);
          } else if (at >= 0 && !adds) {
            writes.removeAt(at);
            model.delete(one);
          }
        }
        expect(writes.count).toBe(model.size);
        expect(found(writes).toSorted(byKey)).toEqual([...model].map(([one, [length, issued]]) => [one, length, issued]).toSorted(byKey));
        for (const one of model.keys()) expect(writes.keys[writes.find(one)]).toBe(one);
      }),
      { numRuns: 1000 },
    );
  });

  test('grow, and find each of many', () => {
    const writes = new LoneWrites();
    for (let step = 0; step < 5_000; step += 1) writes.add(step * 2 ** 20, 4096, step);
    for (let step = 0; step < 5_000; step += 2) writes.removeAt(writes.find(step * 2 ** 20));
    expect(writes.count).toBe(2_500);
    for (let step = 0; step < 5_000; step += 1) {
      const at = writes.find(step * 2 ** 20);
      expect(at < 0 ? undefined : writes.issued[at]).toBe(step % 2 === 0 ? undefined : step);
    }
  });
});
