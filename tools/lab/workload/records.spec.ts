import fc from 'fast-check';
import { type ChurnStep, parseChurnJournal } from './churn-journal.ts';
import { diskOfStep, ROWS_KEPT, rowBody, rowsOfDisk } from './ledger-rows.ts';
import { createPace } from './pace.ts';
import { boundsAt, parseSequenceLog } from './sequence-log.ts';
import { readStamp, STAMP_SIZE, writeStamp } from './stamp.ts';

describe('stamps', () => {
  const stamp = { file: 7, block: 12, sequence: 99, time: 123_456_789_012_345n };
  const block = Buffer.alloc(STAMP_SIZE);
  beforeEach(() => writeStamp(stamp, block));

  it('tell what was written', () => {
    expect(readStamp(block)).toEqual(stamp);
    expect(readStamp(Buffer.alloc(STAMP_SIZE))).toBe('zero');
  });

  it('are garbage after any change of a byte', () => {
    fc.assert(
      fc.property(fc.nat(STAMP_SIZE - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const torn = Buffer.from(block);
        torn[at]! ^= change;
        expect(readStamp(torn)).toBe('garbage');
      }),
    );
  });

  it('are garbage when two writes mix in any sector', () => {
    const other = Buffer.alloc(STAMP_SIZE);
    writeStamp({ ...stamp, sequence: 100, time: stamp.time + 1n }, other);
    for (let at = 512; at < STAMP_SIZE; at += 512)
      expect(readStamp(Buffer.concat([block.subarray(0, at), other.subarray(at)]))).toBe('garbage');
  });
});

describe('a ledger', () => {
  it('is read back; a line cut short by a kill does not count', () => {
    const times = parseSequenceLog('begin 1 10\nacked 1 12\nbegin 2 15\nacked 2 1');
    expect(times).toEqual({ begun: [10n, 15n], acked: [12n] });
    expect([9n, 10n, 11n, 12n, 14n, 15n, 99n].map((instant) => boundsAt(times, instant))).toEqual(
      [
        [0, 0],
        [0, 1],
        [0, 1],
        [1, 1],
        [1, 1],
        [1, 2],
        [1, 2],
      ].map(([atLeast, atMost]) => ({ atLeast, atMost })),
    );
  });

  it.each(['begin 2 10\n', 'begin one 10\n', 'start 1 10\n', 'begin 1\n'])('is refused when it is not one: %j', (text) => {
    expect(() => parseSequenceLog(text)).toThrow('not a line of a ledger');
  });

  it('names the rows of each disk as inserting and deleting leaves them', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.oneof(fc.nat(50), fc.integer({ min: ROWS_KEPT - 5, max: ROWS_KEPT + 50 })),
        (disks, last) => {
          for (let disk = 0; disk < disks; disk += 1) {
            const own = Array.from({ length: last }, (_, index) => index + 1).filter((sequence) => diskOfStep(sequence, disks) === disk);
            const kept = own.filter((sequence) => sequence > (own.at(-1) ?? 0) - ROWS_KEPT);
            const { first, last: newest } = rowsOfDisk(disk, last, disks);
            const expected: number[] = [];
            for (let sequence = first; sequence <= newest; sequence += disks) expected.push(sequence);
            expect(expected).toEqual(kept);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('has rows whose content nobody has to remember', () => {
    expect(rowBody(1, 5)).toEqual(rowBody(1, 5));
    expect(rowBody(1, 5)).not.toEqual(rowBody(1, 6));
    expect(rowBody(2, 5)).not.toEqual(rowBody(1, 5));
  });
});

describe('a churn journal', () => {
  it('is read back; a line cut short by a kill does not count', () => {
    const steps: ChurnStep[] = [
      { what: 'wrote', file: 3, first: 0, count: 16, time: 5n },
      { what: 'synced', file: 3, time: 6n },
      { what: 'cutting', file: 3, blocks: 4, time: 7n },
      { what: 'dropping', file: 3, time: 8n },
    ];
    expect(parseChurnJournal('wrote 3 0 16 5\nsynced 3 6\ncutting 3 4 7\ndropping 3 8\nwrote 4 0')).toEqual(steps);
    expect(() => parseChurnJournal('moved 3 4 5\n')).toThrow('not a line of a churn journal');
  });
});

describe('a pace', () => {
  it('makes up for a short delay and forgets a long one', async () => {
    let time = 0;
    const pace = createPace(1000, () => time);
    time = 10_000;
    await pace();
    // Ten seconds late, of which a quarter is made up for: the next steps come at once until that is caught up with.
    const before = performance.now();
    for (let step = 0; step < 200; step += 1) await pace();
    expect(performance.now() - before).toBeLessThan(5000);
  });
});
