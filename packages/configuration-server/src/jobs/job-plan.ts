import type { HoldfastError } from '@holdfast/errors';
import type { Transaction } from '../records/transaction.ts';
import type { Choice, JobRecord, StepAnswer, StepProgress } from './job-record.ts';

/** What a step gets to wait with. */
export interface Waiting {
  /** Aborted when the job is cancelled or the program stops. */
  readonly signal: AbortSignal;
  /** Says how far it is. */
  readonly progress: (progress: StepProgress) => void;
}

/** What people are asked by a step. */
export interface Question {
  readonly text: string;
  readonly choices: readonly Choice[];
}

/** A step of a job. Its parts may happen again after a crash, in this order. */
export interface JobStep {
  readonly name: string;
  /** Resolves when what the step needs has come. */
  readonly wait?: (job: JobRecord, waiting: Waiting) => Promise<void>;
  /** What somebody has to do or decide first; undefined: nothing. The job waits for input until it is answered. */
  readonly ask?: (job: JobRecord) => Promise<Question | undefined>;
  /** When the step fails for good people are asked whether to retry it, to leave it out (`apply` is not called then) or to let the job fail. */
  readonly askWhenFailed?: boolean;
  /** What the step changes: in the one commit that also says that it is done. Gives words about it. */
  readonly apply?: (transaction: Transaction, job: JobRecord, answer?: StepAnswer) => Promise<string>;
}

/** A kind of job: its steps, and what remains to be done when it does not reach its end. Both in the commit that ends it. */
export interface JobPlan {
  /** The same for a job whenever they are asked for, or as many as its input says. */
  readonly steps: readonly JobStep[] | ((job: Pick<JobRecord, 'machineId' | 'input'>) => readonly JobStep[]);
  readonly cancelled: (transaction: Transaction, job: JobRecord) => Promise<void>;
  readonly failed: (transaction: Transaction, job: JobRecord, error: HoldfastError) => Promise<void>;
  /**
   * Takes back what `failed` did, so that a failed job can go on, and gives the index of the step at which: that which failed, or an earlier
   * one. Throws when it cannot. Absent: such a job never goes on.
   */
  readonly retried?: (transaction: Transaction, job: JobRecord, failed: number) => Promise<number>;
}

/** The steps of a job. */
export const stepsOf = ({ steps }: Pick<JobPlan, 'steps'>, job: Pick<JobRecord, 'machineId' | 'input'>): readonly JobStep[] =>
  typeof steps === 'function' ? steps(job) : steps;
