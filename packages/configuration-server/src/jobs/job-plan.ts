import type { HoldfastError } from '@holdfast/errors';
import type { Transaction } from '../records/transaction.ts';
import type { JobRecord, StepProgress } from './job-record.ts';

/** What a step gets to wait with. */
export interface Waiting {
  /** Aborted when the job is cancelled or the program stops. */
  readonly signal: AbortSignal;
  /** Says how far it is. */
  readonly progress: (progress: StepProgress) => void;
}

/** A step of a job. Both parts may happen again after a crash, in that order. */
export interface JobStep {
  readonly name: string;
  /** Resolves when what the step needs has come. */
  readonly wait?: (job: JobRecord, waiting: Waiting) => Promise<void>;
  /** What the step changes: in the one commit that also says that it is done. Gives words about it. */
  readonly apply?: (transaction: Transaction, job: JobRecord) => Promise<string>;
}

/** A kind of job: its steps, and what remains to be done when it does not reach its end. Both in the commit that ends it. */
export interface JobPlan {
  readonly steps: readonly JobStep[];
  readonly cancelled: (transaction: Transaction, job: JobRecord) => Promise<void>;
  readonly failed: (transaction: Transaction, job: JobRecord, error: HoldfastError) => Promise<void>;
}
