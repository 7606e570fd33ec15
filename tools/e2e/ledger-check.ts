import type { ConsoleSession } from '../recovery/console-session.ts';

/** What somebody who logged in on the console found in the ledger. */
export interface LedgerFinding {
  readonly rows: number;
  readonly newest: number;
  /** Rows whose content is not what was written. */
  readonly damaged: number;
  /** Acknowledged, and not there; the first twenty. */
  readonly missing: readonly number[];
}

/** `[1, 2, 3, 7]` as `[[1, 3], [7, 7]]`. */
export const rangesOf = (numbers: readonly number[]): [number, number][] => {
  const ranges: [number, number][] = [];
  for (const number of [...new Set(numbers)].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges;
};

/** The question in SQL: one line with rows, newest, damaged; then one line for each row that is missing. */
export const ledgerQuery = (acknowledged: readonly number[]): string => {
  const wanted = rangesOf(acknowledged).map(([first, last]) => `select g from generate_series(${first}, ${last}) g`);
  return [
    'select count(*), coalesce(max(n), 0), count(*) filter (where payload <> repeat(md5(n::text), 64)) from ledger',
    `select 'missing', g from (${['select 0 as g where false', ...wanted].join(' union all ')}) w where not exists (select from ledger where n = g) order by g limit 20`,
  ].join('; ');
};

export const parseLedger = (output: string): LedgerFinding => {
  const [, rows, newest, damaged] = /^(\d+)\|(\d+)\|(\d+)$/m.exec(output) ?? [];
  if (rows === undefined) throw new Error(`the ledger could not be read:\n${output}`);
  const missing = [...output.matchAll(/^missing\|(\d+)$/gm)].map(([, number]) => Number(number));
  return { rows: Number(rows), newest: Number(newest), damaged: Number(damaged), missing };
};

/** Compares the ledger, from inside the machine, with what was acknowledged outside of it. */
export const checkLedger = async (
  console: ConsoleSession,
  acknowledged: readonly number[],
  milliseconds: number,
): Promise<LedgerFinding> => {
  await console.run('until runuser -u postgres -- pg_isready -q; do sleep 1; done', milliseconds);
  const ask = `runuser -u postgres -- psql --no-psqlrc --quiet --no-align --tuples-only --command "${ledgerQuery(acknowledged)}"`;
  return parseLedger((await console.run(`cd /; ${ask}`, milliseconds)).output);
};
