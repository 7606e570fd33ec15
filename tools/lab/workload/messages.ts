/** What the workload does, as its process is told on its command line (JSON). */
export interface WorkloadSettings {
  readonly mountPoints: readonly string[];
  /** Where the ledgers are written: a directory outside the protected disks. */
  readonly directory: string;
  readonly seed: number;
}

/** What the workload tells the supervisor. */
export type WorkloadMessage =
  | { readonly type: 'ready' }
  /** Steps acknowledged so far; sent every second and at the end. */
  | { readonly type: 'counts'; readonly commits: number; readonly stamps: number; readonly churn: number }
  | { readonly type: 'failed'; readonly message: string };

/** What the workload is told: finish the steps under way and end. */
export type WorkloadOrder = { readonly type: 'stop' };

/** Names of the files in `WorkloadSettings.directory`. */
export const LEDGER_LOG = 'ledger.log';
export const STAMPS_LOG = 'stamps.log';
export const churnJournalName = (disk: number): string => `churn-${disk}.log`;
