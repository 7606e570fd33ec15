import fc from 'fast-check';
import { createQueuedWrites, type QueuedWrites } from './queued-writes.ts';

type Told = readonly [what: 'issued' | 'completed', offset: number, length: number, time: number, discarded?: boolean];

const createRig = (since = 0): { told: Told[]; writes: QueuedWrites } => {
  const told: Told[] = [];
  const writes = createQueuedWrites(
    {
      issued: (...event) => void told.push(['issued', ...event]),
      completed: (...event) => void told.push(['completed', ...event]),
    },
    since,
  );
  return { told, writes };
};

/** Taken for over, as it cannot be told apart, and for issued again. */
const again = (offset: number, length: number, time: number): Told[] => [
  ['completed', offset, length, time, false],
  ['issued', offset, length, time],
];

describe('queued writes', () => {
  it('are over when something ends where they end, whatever it says of their beginning', () => {
    const { told, writes } = createRig();
    writes.queued(0, 64, 1, false);
    writes.queued(100, 8, 2, true);
    writes.ended(0, 16, 3, false);
    writes.ended(16, 16, 4, false);
    expect(told.splice(0)).toEqual([
      ['issued', 0, 64, 1],
      ['issued', 100, 8, 2],
    ]);
    expect(writes.oldest).toBe(1);
    writes.ended(48, 16, 5, false);
    writes.ended(108, 0, 6, true);
    expect(told).toEqual([
      ['completed', 0, 64, 5, false],
      ['completed', 100, 8, 6, true],
    ]);
    expect([...writes.writes()]).toEqual([]);
    expect(writes.oldest).toBe(Number.POSITIVE_INFINITY);
    expect(writes.takeUnknown(100)).toEqual([]);
  });

  it('may be told of after their end', () => {
    const { told, writes } = createRig();
    writes.ended(8, 8, 4, false);
    writes.ended(24, 8, 5, false);
    writes.queued(0, 32, 3, false);
    expect(told).toEqual([
      ['issued', 0, 32, 3],
      ['completed', 0, 32, 5, false],
    ]);
    expect(writes.takeUnknown(100)).toEqual([]);
  });

  it('may end late, after a part of another one was taken for their end', () => {
    const { told, writes } = createRig();
    writes.queued(8, 24, 1, false);
    writes.queued(16, 16, 3, false);
    writes.ended(16, 16, 4, false);
    // Not told yet: the end of the first one at 2, and that another one of 16 to 32 was queued.
    writes.ended(24, 8, 6, false);
    expect([...writes.writes()]).toEqual([]);
    writes.ended(8, 8, 2, false);
    writes.ended(16, 16, 2, false);
    writes.queued(16, 16, 5, false);
    expect(writes.takeUnknown(100)).toEqual([]);
    expect(told.filter(([what]) => what === 'completed')).toEqual([
      ['completed', 16, 16, 4, false],
      ['completed', 8, 24, 4, false],
      ['completed', 8, 24, 6, false],
    ]);
    // Negative control: what ended before the write began, and what ends once everything was told, belongs to none of them.
    writes.ended(8, 8, 101, false);
    expect(writes.takeUnknown(200)).toMatchObject([{ offset: 8, length: 8, time: 101 }]);
  });

  it('are not over by an end from before they were queued that is told late', () => {
    const { told, writes } = createRig();
    writes.queued(8, 24, 5, false);
    // Of another write that is told of afterwards: its first part, and its end, which lie where this one does.
    writes.ended(16, 16, 2, false);
    writes.ended(20, 4, 3, false);
    expect([...writes.writes()]).toMatchObject([{ offset: 8, length: 24 }]);
    writes.queued(16, 16, 1, false);
    writes.queued(12, 12, 1, false);
    writes.ended(8, 8, 6, false);
    writes.ended(16, 16, 6, false);
    expect(told.filter(([what]) => what === 'completed')).toEqual([
      ['completed', 16, 16, 2, false],
      ['completed', 12, 12, 3, false],
      ['completed', 8, 24, 6, false],
    ]);
    expect(writes.takeUnknown(100)).toEqual([]);
  });

  it('are no discards because one ended where they end, before their own end was told', () => {
    const { told, writes } = createRig();
    writes.queued(16, 16, 1, false);
    writes.queued(0, 32, 3, true);
    // The end of the first, at 2, comes late; this one names the last part of the second.
    writes.ended(24, 8, 4, true);
    expect(told.slice(2)).toEqual([['completed', 0, 32, 4, true], ...again(16, 16, 4)]);
    writes.ended(16, 16, 2, false);
    expect(told.at(-1)).toEqual(['completed', 16, 16, 2, false]);
  });

  it('are over by an end that was taken for a part of an older one, whose own end is told late', () => {
    for (const isQueuedFirst of [true, false]) {
      const { told, writes } = createRig();
      const tell = [() => writes.queued(6, 7, 5, false), () => writes.ended(0, 14, 3, true)];
      writes.queued(0, 14, 1, true);
      writes.ended(6, 3, 6, false);
      writes.ended(9, 4, 6, false);
      for (const one of isQueuedFirst ? tell : tell.toReversed()) one();
      expect(told).toContainEqual(['completed', 0, 14, 3, true]);
      expect(told).toContainEqual(['completed', 6, 7, 6, false]);
      expect([...writes.writes()]).toEqual([]);
      expect(writes.takeUnknown(100)).toEqual([]);
    }
  });

  it('do not begin after their end', () => {
    const { told, writes } = createRig();
    writes.ended(0, 32, 2, false);
    writes.queued(0, 32, 3, false);
    expect(told).toEqual([['issued', 0, 32, 3]]);
    expect(writes.takeUnknown(1)).toEqual([]);
    expect(writes.takeUnknown(2)).toMatchObject([{ offset: 0, length: 32, time: 2 }]);
    expect(writes.takeUnknown(2)).toEqual([]);
  });

  it('that were queued before anybody looked end unnoticed', () => {
    const { told, writes } = createRig(10);
    writes.ended(0, 32, 10, false);
    writes.ended(0, 0, 20, false);
    expect(told).toEqual([]);
    expect(writes.takeUnknown(100)).toEqual([]);
  });

  it('that begin alike and end alike are over one after the other', () => {
    const { told, writes } = createRig();
    writes.queued(0, 8, 1, false);
    writes.queued(0, 8, 2, false);
    writes.ended(0, 8, 3, false);
    expect([...writes.writes()]).toMatchObject([{ time: 2 }]);
    writes.ended(0, 8, 4, false);
    expect(told.filter(([what]) => what === 'completed')).toEqual([
      ['completed', 0, 8, 3, false],
      ['completed', 0, 8, 4, false],
    ]);
  });

  /** What is under way, by the byte; every end of it is told somehow. What is told must never be less than what was. */
  it('that cannot be told apart are over too early, but never too late and never for good', () => {
    const write = fc.record({
      offset: fc.nat(6),
      length: fc.integer({ min: 1, max: 6 }),
      queued: fc.nat(20),
      lasts: fc.integer({ min: 1, max: 20 }),
      named: fc.nat(5),
    });
    fc.assert(
      fc.property(fc.array(write, { minLength: 1, maxLength: 6 }), (all) => {
        const { told, writes } = createRig(-1);
        const events = all.flatMap((one, id) => {
          // Times of different writes differ.
          const begin = one.queued + id / 100;
          const end = begin + one.lasts + id / 10_000;
          const named = Math.min(one.length, one.named);
          return [
            { time: begin, tell: () => writes.queued(one.offset, one.length, begin, false) },
            { time: end, tell: () => writes.ended(one.offset + one.length - named, named, end, false) },
          ];
        });
        for (const { tell } of events.sort((a, b) => a.time - b.time)) tell();
        const last = (what: Told[0], byte: number): number =>
          Math.max(
            -1,
            ...told
              .filter(([kind, offset, length]) => kind === what && byte >= offset && byte < offset + length)
              .map(([, , , time]) => time),
          );
        for (const [id, one] of all.entries()) {
          const end = one.queued + id / 100 + one.lasts + id / 10_000;
          for (let byte = one.offset; byte < one.offset + one.length; byte += 1) {
            // It completed no earlier than it truly did, last of all...
            expect(last('completed', byte)).toBeGreaterThanOrEqual(end);
          }
        }
        // ...and nothing is left, nor unknown.
        expect([...writes.writes()]).toEqual([]);
        expect(writes.takeUnknown(1000)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
