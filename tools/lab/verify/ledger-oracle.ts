import { DatabaseSync } from 'node:sqlite';
import { ledgerFile } from '../workload/ledger.ts';
import { rowBody, rowsOfDisk } from '../workload/ledger-rows.ts';
import { boundsAt, type SequenceTimes } from '../workload/sequence-log.ts';
import { createFaults, type Faults, type Verdict } from './verdict.ts';

export interface LedgerQuestion {
  /** Where the recovered disks are mounted, in the order of the originals. */
  readonly mountPoints: readonly string[];
  /** What the writer wrote down outside. */
  readonly times: SequenceTimes;
  /** CLOCK_MONOTONIC of the point, nanoseconds. */
  readonly instant: bigint;
  readonly seed: number;
}

type Rows = ReadonlyMap<number, Uint8Array>;

const readDatabase = (mountPoint: string, faults: Faults): Rows => {
  const file = ledgerFile(mountPoint);
  const database = new DatabaseSync(file);
  try {
    for (const row of database.prepare('PRAGMA integrity_check').all()) {
      const words = String(row['integrity_check']);
      if (words !== 'ok') faults.add(`${file}: integrity_check says: ${words}`);
    }
    const rows = database.prepare('SELECT sequence, body FROM entry').all() as { sequence: number; body: Uint8Array }[];
    return new Map(rows.map(({ sequence, body }) => [sequence, body]));
  } finally {
    database.close();
  }
};

/** Compares what one disk holds with what it must hold once steps 1 to `last` were committed and no other. */
const compareRows = (rows: Rows, disk: number, last: number, { mountPoints, seed }: LedgerQuestion, faults: Faults): void => {
  const expected = rowsOfDisk(disk, last, mountPoints.length);
  let matched = 0;
  for (let sequence = expected.first; sequence <= expected.last; sequence += mountPoints.length) {
    const body = rows.get(sequence);
    if (body === undefined) faults.add(`row ${sequence} is missing on disk ${disk} although row ${last} is there`);
    else {
      matched += 1;
      if (Buffer.compare(body, rowBody(seed, sequence)) !== 0)
        faults.add(`row ${sequence} on disk ${disk} has other content than was committed`);
    }
  }
  if (rows.size > matched) faults.add(`disk ${disk} holds ${rows.size - matched} row(s) which should not be there`);
};

/**
 * Checks that the recovered disks together hold an exact prefix of the ledger: rows 1 to n (less the old ones deleted by design), each on
 * its disk with its content, nothing else, nothing missing that was acknowledged by the point's instant, nothing begun after it.
 */
export const checkLedger = (question: LedgerQuestion): Verdict => {
  const { mountPoints, times, instant } = question;
  const faults = createFaults();
  const disks = mountPoints.map((mountPoint) => readDatabase(mountPoint, faults));
  const last = Math.max(0, ...disks.flatMap((rows) => [...rows.keys()].reduce((a, b) => Math.max(a, b), 0)));
  const { atLeast, atMost } = boundsAt(times, instant);
  if (last < atLeast) faults.add(`rows end at ${last}, but row ${atLeast} was acknowledged before the point's instant`);
  if (last > atMost) faults.add(`rows reach ${last}, but row ${atMost + 1} was begun after the point's instant`);
  for (const [disk, rows] of disks.entries()) compareRows(rows, disk, last, question, faults);
  return faults.verdict('ledger', `rows to ${last}`);
};
