import type { Readable } from 'node:stream';

/** What a ledger client said outside of its machine: each row whose commit PostgreSQL had acknowledged to it, with the time by the machine's clock. */
export interface LedgerRecord {
  readonly acknowledged: number;
  /** Numbers of the rows that were acknowledged up to this time, milliseconds; all of them unless told. */
  until(time?: number): readonly number[];
}

const LINE = /^acknowledged (\d+) (\d+\.\d+)$/;

/** Keeps what comes line by line; a line that was cut off by the end of its machine is none. */
export const createLedgerRecord = (from: Readable): LedgerRecord => {
  const rows: { readonly number: number; readonly time: number }[] = [];
  let rest = '';
  from.setEncoding('latin1').on('data', (text: string) => {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [, number, seconds] = LINE.exec(line) ?? [];
      if (number !== undefined) rows.push({ number: Number(number), time: Number(seconds) * 1000 });
    }
  });
  return {
    get acknowledged() {
      return rows.length;
    },
    until: (time = Number.POSITIVE_INFINITY) => rows.filter((row) => row.time <= time).map(({ number }) => number),
  };
};
