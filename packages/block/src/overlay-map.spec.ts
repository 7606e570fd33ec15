import fc from 'fast-check';
import { BLOCK_STATE, createOverlayMap, MAP_PAGE, mapLength } from './overlay-map.ts';

test('an overlay map behaves like an array of states and names every page it changes', () => {
  const blocks = 3 * 4 * MAP_PAGE + 5;
  const edge = fc.oneof(
    fc.nat(blocks),
    fc.integer({ min: 0, max: 30 }).map((n) => 4 * MAP_PAGE - 15 + n),
  );
  const change = fc.record({ a: edge, b: edge, state: fc.constantFrom(...Object.values(BLOCK_STATE)) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 8 }), (changes) => {
      const named = new Set<number>();
      const map = createOverlayMap(blocks, (page) => named.add(page));
      const model = new Uint8Array(blocks);
      for (const { a, b, state } of changes) {
        const before = map.bytes.slice();
        named.clear();
        map.set(Math.min(a, b), Math.max(a, b), state);
        model.fill(state, Math.min(a, b), Math.max(a, b));
        for (let page = 0; page * MAP_PAGE < before.length; page += 1) {
          const changed = Buffer.compare(
            before.subarray(page * MAP_PAGE, (page + 1) * MAP_PAGE),
            map.bytes.subarray(page * MAP_PAGE, (page + 1) * MAP_PAGE),
          );
          expect(named.has(page)).toBe(changed !== 0);
        }
      }
      for (let block = 0; block < blocks; ) {
        const count = map.run(block, blocks);
        expect(count).toBeGreaterThan(0);
        expect(model.subarray(block, block + count).every((state) => state === map.get(block))).toBe(true);
        if (block + count < blocks) expect(model[block + count]).not.toBe(map.get(block));
        block += count;
      }
    }),
    { numRuns: 50 },
  );
});

test('a map is whole pages long', () => {
  expect([0, 1, 4 * MAP_PAGE, 4 * MAP_PAGE + 1].map(mapLength)).toEqual([0, MAP_PAGE, MAP_PAGE, 2 * MAP_PAGE]);
});

test('an overlay map knows the blocks behind 16 TiB from those at the beginning', () => {
  const far = 2 ** 32;
  const pages: number[] = [];
  const map = createOverlayMap(far + 64, (page) => pages.push(page));
  map.set(far + 1, far + 9, BLOCK_STATE.data);
  expect([map.get(1), map.get(far), map.get(far + 1), map.get(far + 8), map.get(far + 9)]).toEqual([0, 0, 1, 1, 0]);
  expect(map.run(far + 1, far + 64)).toBe(8);
  expect(pages).toEqual([far / (4 * MAP_PAGE)]);
});
