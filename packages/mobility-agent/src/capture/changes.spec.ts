import { BLOCK_SIZE } from '@holdfast/block';
import fc from 'fast-check';
import { createChanges } from './changes.ts';

const BLOCKS = 12;
/** The last block is a short one. */
const SIZE = BLOCKS * BLOCK_SIZE - 1024;
const never = (): boolean => false;

const extent = fc
  .tuple(fc.nat(SIZE / 512 - 1), fc.integer({ min: 1, max: 40 }))
  .map(([sector, sectors]) => ({ offset: sector * 512, length: Math.min(sectors * 512, SIZE - sector * 512) }));
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('written' as const, 'discarded' as const), extent, late: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('take' as const), back: fc.boolean() }) },
);

/** What happened to a block and was not taken. */
interface History {
  written: boolean;
  discarded: boolean;
}

const histories = (): History[] => Array.from({ length: BLOCKS }, () => ({ written: false, discarded: false }));

describe('changes', () => {
  it('forget nothing, and take for zeroes exactly what was only discarded', () => {
    let zeroes = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const changes = createChanges(SIZE);
        let now = histories();
        let later = histories();
        for (const one of [...steps, { kind: 'advance' as const }, { kind: 'take' as const, back: false }]) {
          if (one.kind === 'advance') {
            changes.advance();
            now = now.map((history, block) => ({
              written: history.written || later[block]!.written,
              discarded: history.discarded || later[block]!.discarded,
            }));
            later = histories();
          } else if (one.kind === 'take') {
            const taken = changes.take(BLOCKS);
            expect([changes.now.read.size, changes.now.zero.size]).toEqual([0, 0]);
            now.forEach(({ written, discarded }, block) => {
              expect(taken.read.has(block)).toBe(written);
              expect(taken.zero.has(block)).toBe(discarded && !written);
              zeroes += Number(taken.zero.has(block));
            });
            if (one.back) changes.putBack(taken);
            else now = histories();
          } else {
            const { offset, length } = one.extent;
            const first = Math.floor(offset / BLOCK_SIZE);
            const last = Math.floor((offset + length - 1) / BLOCK_SIZE);
            for (let block = first; block <= last; block += 1) {
              const whole = offset <= block * BLOCK_SIZE && offset + length >= Math.min((block + 1) * BLOCK_SIZE, SIZE);
              const history = (one.late ? later : now)[block]!;
              if (one.kind === 'discarded' && whole) {
                history.discarded = true;
                // It may be read for the cut while it is discarded.
                if (one.late && now[block]!.written) history.written = true;
              } else history.written = true;
            }
            changes[one.kind](offset, length, one.late, never);
          }
        }
      }),
      { numRuns: 400 },
    );
    expect(zeroes).toBeGreaterThan(100);
  });

  it('read what was read while it was discarded', () => {
    const changes = createChanges(SIZE);
    changes.discarded(0, 3 * BLOCK_SIZE, false, (block) => block === 1);
    const { read, zero } = changes.take(BLOCKS);
    expect([...read.runs()]).toEqual([{ first: 1, count: 1 }]);
    expect([...zero.runs()]).toEqual([0, 2].map((first) => ({ first, count: 1 })));
  });

  it('do not take for a zero what is discarded again while it is to be read', () => {
    const changes = createChanges(SIZE);
    changes.discarded(0, BLOCK_SIZE, true, never);
    changes.written(0, 512, false);
    changes.discarded(0, BLOCK_SIZE, true, never);
    expect([changes.later.read.has(0), changes.later.zero.has(0)]).toEqual([true, false]);
  });

  it('give so many zeroes at a time as are wanted, and all of what is to be read', () => {
    const changes = createChanges(SIZE);
    changes.discarded(0, 9 * BLOCK_SIZE, false, never);
    changes.written(4 * BLOCK_SIZE, BLOCK_SIZE, false);
    const given: number[][] = [];
    for (let cut = 0; cut < 4; cut += 1) given.push([...changes.take(3).zero.runs()].map(({ first }) => first));
    expect(given).toEqual([[0], [3, 5], [7], []]);
  });

  it('keep what they hold when the disk grows', () => {
    const changes = createChanges(SIZE);
    changes.written(0, 512, false);
    changes.discarded(BLOCK_SIZE, BLOCK_SIZE, false, never);
    changes.written(2 * BLOCK_SIZE, 512, true);
    changes.discarded(3 * BLOCK_SIZE, BLOCK_SIZE, true, never);
    changes.grow(2 * SIZE);
    changes.written(SIZE + BLOCK_SIZE, 512, true);
    changes.advance();
    const { read, zero } = changes.take(BLOCKS);
    expect([...read.runs()].map(({ first }) => first)).toEqual([0, 2, 12]);
    expect([...zero.runs()].map(({ first }) => first)).toEqual([1, 3]);
  });
});
