import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { diskOfStep, ROWS_KEPT, rowBody } from './ledger-rows.ts';
import { createSequenceLog } from './sequence-log.ts';

export interface LedgerOptions {
  /** Mount points; the writer alternates between them. */
  readonly mountPoints: readonly string[];
  /** The ledger outside the protected disks. */
  readonly log: string;
  readonly seed: number;
}

export interface Ledger {
  /** Commits the next step; returns its number. When it returns SQLite has made the row durable. */
  step(): number;
  close(): void;
}

/** Where the database lies below a mount point. */
export const ledgerFile = (mountPoint: string): string => path.join(mountPoint, 'ledger', 'ledger.db');

/** Pages of WAL after which SQLite writes back into the database: few, so that both files are written to all the time. */
const CHECKPOINT_PAGES = 128;

const openDatabase = (file: string): DatabaseSync => {
  mkdirSync(path.dirname(file), { recursive: true });
  const database = new DatabaseSync(file);
  database.exec('PRAGMA journal_mode = WAL');
  database.exec('PRAGMA synchronous = FULL');
  database.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  database.exec('CREATE TABLE IF NOT EXISTS entry (sequence INTEGER PRIMARY KEY, body BLOB NOT NULL)');
  return database;
};

/**
 * The ledger workload: one writer, one SQLite database on each disk, one sequence over all of them. A step begins only after the one
 * before it was acknowledged, on another disk: any state of the disks that is true of one instant holds an exact prefix of the steps.
 */
export const createLedger = ({ mountPoints, log, seed }: LedgerOptions): Ledger => {
  const writers = mountPoints.map((mountPoint) => {
    const database = openDatabase(ledgerFile(mountPoint));
    return {
      database,
      insert: database.prepare('INSERT INTO entry (sequence, body) VALUES (?, ?)'),
      forget: database.prepare('DELETE FROM entry WHERE sequence <= ?'),
    };
  });
  const outside = createSequenceLog(log);
  let sequence = 0;
  return {
    step: () => {
      sequence += 1;
      const { database, insert, forget } = writers[diskOfStep(sequence, writers.length)]!;
      const body = rowBody(seed, sequence);
      outside.begin(sequence);
      database.exec('BEGIN IMMEDIATE');
      insert.run(sequence, body);
      if (sequence > ROWS_KEPT) forget.run(sequence - ROWS_KEPT);
      database.exec('COMMIT');
      outside.acked(sequence);
      return sequence;
    },
    close: () => {
      for (const { database } of writers) database.close();
      outside.close();
    },
  };
};
