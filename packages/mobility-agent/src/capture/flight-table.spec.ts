import fc from 'fast-check';
import { createFlightTable, ISSUED_UNSEEN } from './flight-table.ts';

const KIB = 1024;

describe('flight table', () => {
  test('a write is in flight from its issue to its completion', () => {
    const table = createFlightTable();
    table.issued(1, 8 * KIB, 4 * KIB, 10);
    expect([...table.writes()]).toEqual([{ disk: 1, offset: 8 * KIB, length: 4 * KIB, issued: 10 }]);
    expect(table.completed(1, 8 * KIB, 4 * KIB, 20)).toBe(10);
    expect(table.size).toBe(0);
  });

  test('disks do not mix', () => {
    const table = createFlightTable();
    table.issued(0, 0, 512, 1);
    expect(table.completed(1, 0, 512, 2)).toBe(Number.NEGATIVE_INFINITY);
    expect(table.size).toBe(1);
  });

  test('a completion told before its issue matches it', () => {
    const table = createFlightTable();
    expect(table.completed(0, 4 * KIB, 512, 20)).toBe(Number.NEGATIVE_INFINITY);
    table.issued(0, 4 * KIB, 512, 10);
    expect(table.size).toBe(0);
  });

  test('a completion told before does not match an issue after it', () => {
    const table = createFlightTable();
    table.completed(0, 4 * KIB, 512, 20);
    table.issued(0, 4 * KIB, 512, 30);
    expect(table.size).toBe(1);
  });

  test('a requeued write stays in flight with its first issue time', () => {
    const table = createFlightTable();
    table.issued(0, 0, 4 * KIB, 10);
    table.requeued(0, 0, 4 * KIB, 20);
    table.issued(0, 0, 4 * KIB, 30);
    expect([...table.writes()]).toEqual([{ disk: 0, offset: 0, length: 4 * KIB, issued: 10 }]);
    expect(table.completed(0, 0, 4 * KIB, 40)).toBe(10);
    expect(table.size).toBe(0);
  });

  test('a write that is put back and was not seen to be issued is in flight since before everything', () => {
    const table = createFlightTable();
    // What completed there before is another one.
    table.completed(0, 0, 4 * KIB, 10);
    table.requeued(0, 0, 4 * KIB, 20);
    expect([...table.writes()]).toEqual([{ disk: 0, offset: 0, length: 4 * KIB, issued: ISSUED_UNSEEN }]);
    table.issued(0, 0, 4 * KIB, 30);
    expect(table.size).toBe(1);
    expect(table.completed(0, 0, 4 * KIB, 40)).toBe(ISSUED_UNSEEN);
    expect(table.size).toBe(0);
  });

  test('what the driver has put back is not forgotten with what is over, but some time', () => {
    const table = createFlightTable();
    for (const offset of [0, 4 * KIB]) table.issued(0, offset, 4 * KIB, 10);
    table.requeued(0, 0, 4 * KIB, 20);
    table.forget(0, 100, 20);
    expect([...table.writes()].map(({ offset }) => offset)).toEqual([0]);
    table.forget(0, 100, 21);
    expect(table.size).toBe(0);
  });

  test('where issues are not told of only what the driver has put back is known', () => {
    const table = createFlightTable();
    for (const [disk, offset] of [
      [0, 0],
      [0, 4 * KIB],
      [1, 0],
      [0, 8 * KIB],
      [0, 8 * KIB],
    ] as const)
      table.issued(disk, offset, 4 * KIB, 10);
    table.completed(0, 64 * KIB, 4 * KIB, 15);
    table.requeued(0, 4 * KIB, 4 * KIB, 20);
    table.forgetIssued(0);
    expect([...table.writes()].map(({ disk, offset }) => [disk, offset])).toEqual([
      [1, 0],
      [0, 4 * KIB],
    ]);
    expect(table.size).toBe(2);
    table.ended(0, 8 * KIB, 4 * KIB, 30);
    table.ended(0, 4 * KIB, 4 * KIB, 30);
    expect(table.size).toBe(1);
    // Neither of both is waited for.
    table.issued(0, 8 * KIB, 4 * KIB, 25);
    table.issued(0, 64 * KIB, 4 * KIB, 12);
    expect(table.size).toBe(3);
  });

  test('a request that completes in parts leaves when its last part did', () => {
    const table = createFlightTable();
    table.issued(0, 0, 64 * KIB, 10);
    expect(table.completed(0, 0, 16 * KIB, 20)).toBe(10);
    expect([...table.writes()]).toEqual([{ disk: 0, offset: 16 * KIB, length: 48 * KIB, issued: 10 }]);
    expect(table.completed(0, 16 * KIB, 48 * KIB, 30)).toBe(10);
    expect(table.size).toBe(0);
  });

  test('what was proven over is forgotten', () => {
    const table = createFlightTable();
    table.issued(0, 0, 512, 10);
    table.issued(0, 512, 512, 30);
    table.issued(1, 0, 512, 10);
    table.forget(0, 20, 20);
    expect([...table.writes()].map(({ disk, offset }) => [disk, offset])).toEqual([
      [0, 512],
      [1, 0],
    ]);
    expect(table.size).toBe(2);
  });

  test('of many, exactly those that were proven over are forgotten', () => {
    const table = createFlightTable();
    const all = Array.from({ length: 3_000 }, (_, at) => ({ disk: at % 3, offset: at * 2 ** 20, length: 4 * KIB, issued: at % 100 }));
    // Every tenth is not alone.
    const twice = all.filter((_, at) => at % 10 === 0);
    for (const { disk, offset, length, issued } of [...all, ...twice]) table.issued(disk, offset, length, issued);
    table.forget(1, 50, 50);
    const left = [...all, ...twice].filter(({ disk, issued }) => disk !== 1 || issued >= 50);
    expect(table.size).toBe(left.length);
    const sorted = (writes: Iterable<object>): string[] => Array.from(writes, (write) => JSON.stringify(write)).toSorted();
    expect(sorted(table.writes())).toEqual(sorted(left));
  });

  test('told in order of time, nothing in flight is missing, nothing over is kept, and no issue time is too late', () => {
    const write = fc.record({
      disk: fc.nat(2),
      sector: fc.nat(3),
      length: fc.constantFrom(512, 1024),
      start: fc.nat(50),
      lasts: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(fc.array(write, { maxLength: 40 }), fc.nat(80), (writes, stop) => {
        const table = createFlightTable();
        const events = writes.flatMap((one) => [
          { time: one.start, kind: 'issued' as const, one },
          { time: one.start + one.lasts, kind: 'completed' as const, one },
        ]);
        for (const { time, kind, one } of events.filter((event) => event.time <= stop).sort((a, b) => a.time - b.time)) {
          table[kind](one.disk, one.sector * 512, one.length, time);
        }
        const inFlight = writes.filter(({ start, lasts }) => start <= stop && start + lasts > stop);
        expect(table.size).toBe(inFlight.length);
        for (const one of inFlight) {
          const covering = [...table.writes()].filter(
            (seen) => seen.disk === one.disk && seen.offset === one.sector * 512 && seen.length >= one.length && seen.issued <= one.start,
          );
          expect(covering.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
