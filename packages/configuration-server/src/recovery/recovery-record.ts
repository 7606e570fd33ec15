import { type PointKind, type Protection, RecoveryGoal, RecoveryKind, type RecoveryReport, RecoveryState } from '@holdfast/protocol';
import { type Kind, plainKind } from '../records/kind.ts';

/** How far a recovery is wanted to come; in this order it comes there. */
export const GOALS = {
  held: RecoveryGoal.HELD,
  fenced: RecoveryGoal.FENCED,
  running: RecoveryGoal.RUNNING,
  independent: RecoveryGoal.INDEPENDENT,
  forgotten: RecoveryGoal.FORGOTTEN,
  discarded: RecoveryGoal.DISCARDED,
  released: RecoveryGoal.RELEASED,
} as const;
export type Goal = keyof typeof GOALS;

/** The goal that a process server names; undefined: none that this version knows. */
export const goalOf = (goal: RecoveryGoal): Goal | undefined =>
  (Object.entries(GOALS) as [Goal, RecoveryGoal][]).find(([, one]) => one === goal)?.[0];

export const RECOVERY_KINDS = { test: RecoveryKind.TEST, failover: RecoveryKind.FAILOVER } as const;

export const RECOVERY_STATES = {
  starting: RecoveryState.STARTING,
  running: RecoveryState.RUNNING,
  committed: RecoveryState.COMMITTED,
  forgotten: RecoveryState.FORGOTTEN,
  ending: RecoveryState.ENDING,
  ended: RecoveryState.ENDED,
  failed: RecoveryState.FAILED,
} as const;

/** A point as it was when it was chosen. */
export interface ChosenPoint {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly kind: PointKind;
  readonly disks: readonly string[];
  readonly unreadable: number;
}

export type Target = Omit<NonNullable<Protection['target']>, '$typeName' | '$unknown'>;

/** A test failover or a failover. Its id is the operation of its fence, and begins with its age as those of jobs do. */
export interface RecoveryRecord {
  readonly kind: keyof typeof RECOVERY_KINDS;
  readonly machineId: string;
  readonly machineName: string;
  readonly protectionId: string;
  readonly vault: string;
  /** The process server that carries it out; empty while none is chosen. */
  readonly serverId: string;
  /** A new one for each point and each new attempt: 32 hexadecimal digits. */
  readonly runId: string;
  /** Grows with every run; the log keeps it with the fence, so that who was replaced starts nothing. */
  readonly attempt?: number;
  readonly point?: ChosenPoint;
  /** Absent while nothing is wanted of a process server. */
  readonly goal?: Goal;
  readonly state: keyof typeof RECOVERY_STATES;
  readonly target: Target;
  readonly startedBy: string;
  readonly created: number;
  /** Milliseconds since 1970; 0 = not yet. */
  readonly ended: number;
  /** Milliseconds from the order to the running machine; 0 = not yet. */
  readonly startMillis: number;
  readonly notes: string;
  readonly jobId: string;
  /** What became of the source, in words. */
  readonly sourceShutdown: string;
  /**
   * A restored server took up what its process server had made of it since the backup: the job that the backup knows at work has chosen and begun long ago.
   * Until something else is ordered.
   */
  readonly takenUp?: boolean;
  /** Its commit was cancelled, perhaps when all was copied: that its machine needs the vault no more does not make it committed. */
  readonly commitCancelled?: boolean;
  /** Somebody wants the machine switched on: 32 hexadecimal digits, others each time. */
  readonly startRequest?: string;
  /** Id of the last point of a source that came to rest: that is the one meant. */
  readonly lastPoint?: string;
  /** Milliseconds since 1970 when the fence of a committed failover was released, since its source is protected again. */
  readonly fenceReleased?: number;
}

export const recoveries: Kind<RecoveryRecord> = plainKind('recovery', 1);

/** Attempts are instants, and grow by one where clocks do not: what lies far beyond is no attempt, and would leave no room for the next. */
const MOST_ATTEMPTS = 2n ** 50n;

/** The attempt that a process server names; 0 for what cannot be one. */
export const attemptOf = ({ attempt }: Pick<RecoveryReport, 'attempt'>): number => (attempt < MOST_ATTEMPTS ? Number(attempt) : 0);

/** Committed: its source is fenced for good, whether anybody looks after the machine still or not. */
export const isForGood = ({ kind, state }: Pick<RecoveryRecord, 'kind' | 'state'>): boolean =>
  kind === 'failover' && (state === 'committed' || state === 'forgotten');

/** The recoveries of a machine; its id is "MACHINE/RECOVERY". */
export const recoveriesOf: Kind<Record<never, never>> = plainKind('recovery-of', 1);

/** The one test, and the one failover, of a machine that have not ended; its id is "MACHINE/test" or "MACHINE/failover". */
export const openRecoveries: Kind<{ readonly recovery: string }> = plainKind('recovery-open', 1);

/** What was committed of a machine and is looked after still: the newest, and those before it; its id is the machine's. */
export const committedRecoveries: Kind<{ readonly recovery: string; readonly older?: readonly string[] }> = plainKind(
  'recovery-committed',
  1,
);

/** Ended ones whose history is not kept any more, the newest of them: what a server that was away for long still has of them is to be removed, not taken up. */
export const prunedRecoveries: Kind<{ readonly machineName: string }> = plainKind('recovery-pruned', 1);

/** What process servers are told to carry out; its id is "SERVER/RECOVERY". */
export const wantedRecoveries: Kind<Record<never, never>> = plainKind('recovery-wanted', 1);
