import fc from 'fast-check';
import { diskOfStep, ROWS_KEPT, rowBody, rowsOfDisk } from './ledger-rows.ts';

describe('the rows of a ledger', () => {
  it('are on each disk as inserting and deleting leaves them', () => {
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

  it('have content that nobody has to remember', () => {
    expect(rowBody(1, 5)).toEqual(rowBody(1, 5));
    expect(rowBody(1, 5)).not.toEqual(rowBody(1, 6));
    expect(rowBody(2, 5)).not.toEqual(rowBody(1, 5));
  });
});
