import { PassThrough } from 'node:stream';
import { ledgerQuery, parseLedger, rangesOf } from './ledger-check.ts';
import { createLedgerRecord } from './ledger-record.ts';

describe('what a ledger said', () => {
  it('is kept by time; half a line is nothing', async () => {
    const stream = new PassThrough();
    const record = createLedgerRecord(stream);
    stream.write('acknowledged 1 10.000001\nacknowl');
    stream.write('edged 2 11.5\nnoise\nacknowledged 3 12.0');
    await new Promise(setImmediate);
    expect(record.acknowledged).toBe(2);
    expect(record.until()).toEqual([1, 2]);
    expect(record.until(11_499)).toEqual([1]);
  });

  it('is asked for in ranges, each number once', () => {
    expect(rangesOf([7, 1, 2, 3, 3])).toEqual([
      [1, 3],
      [7, 7],
    ]);
    expect(ledgerQuery([1, 2, 9])).toContain('generate_series(1, 2) g union all select g from generate_series(9, 9) g');
    expect(ledgerQuery([])).toContain('where false) w');
  });

  it('is read out of what a console showed, and never taken for whole when it could not be read', () => {
    expect(parseLedger('12|12|1\nmissing|13\nmissing|15\n')).toEqual({ rows: 12, newest: 12, damaged: 1, missing: [13, 15] });
    expect(() => parseLedger('psql: error: connection refused')).toThrow('could not be read');
  });
});
