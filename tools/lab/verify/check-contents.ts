import path from 'node:path';
import { readChurnJournal } from '../workload/churn-journal.ts';
import { churnJournalName, LEDGER_LOG, STAMPS_LOG } from '../workload/messages.ts';
import { readSequenceLog } from '../workload/sequence-log.ts';
import { checkChurn } from './churn-oracle.ts';
import { checkLedger } from './ledger-oracle.ts';
import { checkStamps } from './stamps-oracle.ts';
import { createFaults, judge, type Verdict } from './verdict.ts';

export interface ContentsQuestion {
  /** Where the recovered disks are mounted, in the order of the originals. */
  readonly mountPoints: readonly string[];
  /** Where the workload wrote its ledgers. */
  readonly ledgers: string;
  /** CLOCK_MONOTONIC of the point, nanoseconds. */
  readonly instant: bigint;
  readonly seed: number;
}

/** All oracles of the workload over the mounted disks of one point: `ledger`, `stamps`, `files`. */
export const checkContents = async ({ mountPoints, ledgers, instant, seed }: ContentsQuestion): Promise<Verdict[]> => [
  await judge('ledger', () => checkLedger({ mountPoints, times: readSequenceLog(path.join(ledgers, LEDGER_LOG)), instant, seed })),
  await judge('stamps', () => checkStamps({ mountPoints, times: readSequenceLog(path.join(ledgers, STAMPS_LOG)), instant, seed })),
  await judge('files', () =>
    joined(
      mountPoints.map((mountPoint, disk) =>
        checkChurn({ mountPoint, journal: readChurnJournal(path.join(ledgers, churnJournalName(disk))), instant }),
      ),
    ),
  ),
];

/** One verdict for the files of all disks. */
const joined = (verdicts: readonly Verdict[]): Verdict => {
  const faults = createFaults();
  for (const verdict of verdicts) for (const fault of verdict.faults) faults.add(fault);
  return faults.verdict('files', verdicts.map(({ says }) => says).join(' + '));
};
