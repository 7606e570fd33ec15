import { ProtectionState, RecoveryPlanSchema } from '@holdfast/protocol';
import { type Kind, messageKind, plainKind } from '../records/kind.ts';

export const recoveryPlans = messageKind('recovery-plan', 1, RecoveryPlanSchema);

/** States in which a failover has nothing to do for a machine. */
export const ALREADY: ReadonlySet<ProtectionState> = new Set([
  ProtectionState.FAILED_OVER,
  ProtectionState.COMMITTING,
  ProtectionState.COMMITTED,
]);

/** One machine of a run. */
export interface RunMachine {
  readonly machineId: string;
  readonly name: string;
  /** Index of its group. */
  readonly group: number;
  /** Ordered as this; empty before. */
  readonly recoveryId: string;
  readonly jobId: string;
  /** Milliseconds since 1970; 0 = not yet. */
  readonly pointTime: number;
  readonly runningAt: number;
  /** The point that was found for the instant all go back to: its id, and milliseconds since 1970. */
  readonly chosen?: { readonly id: string; readonly time: number };
  readonly outcome: 'waiting' | 'starting' | 'running' | 'failed' | 'already failed over';
  readonly problem: string;
}

/** One run of a plan, with the plan as it was then. Its id begins with its age, as those of jobs do. */
export interface PlanRunRecord {
  readonly planId: string;
  readonly planName: string;
  readonly kind: 'test' | 'failover';
  /** A word; "latest-group" until the instant was found that it means. */
  readonly point: string;
  readonly shutdown: boolean;
  readonly force: boolean;
  readonly startedBy: string;
  readonly started: number;
  readonly ended: number;
  readonly state: 'running' | 'succeeded' | 'failed' | 'cancelled';
  readonly jobId: string;
  /** The plan, as JSON. */
  readonly plan: object;
  readonly machines: readonly RunMachine[];
}

export const planRuns: Kind<PlanRunRecord> = plainKind('plan-run', 1);

/** The runs of a plan; its id is "PLAN/RUN". */
export const runsOf: Kind<Record<never, never>> = plainKind('plan-run-of', 1);

/** The run of a plan that has not ended; its id is the plan's. */
export const openRuns: Kind<{ readonly run: string }> = plainKind('plan-run-open', 1);
