import type { AgentProtection, DiskPhase } from '@holdfast/protocol';
import type { PointAnswer } from '../consistency/make-points.ts';
import type { SenderStatus } from '../sender/sender.ts';

/** One disk as the engine sees it. */
export interface DiskStatus {
  readonly id: string;
  readonly path: string;
  readonly phase: DiskPhase;
  /** Bytes; 0 while unknown. */
  readonly size: number;
  /** Bytes of a copy that are committed; `size` when it is complete. */
  readonly copiedBytes: number;
  /** Its copy or resynchronization rests because somebody wants it to. */
  readonly paused: boolean;
  readonly problem: Problem | undefined;
}

export interface Problem {
  readonly code: string;
  readonly text: string;
}

/** Something people should know of: `warning`, that somebody should look at it. */
export interface EngineEvent extends Problem {
  readonly unixMillis: number;
  readonly severity: 'information' | 'warning';
}

export interface EngineStatus {
  /** Revision of the desired state in force. */
  readonly revision: bigint;
  readonly protecting: boolean;
  /** All disks of the machine, protected or not. */
  readonly disks: readonly DiskStatus[];
  /** Why the capture as a whole cannot be done now. */
  readonly problem: Problem | undefined;
  /** Undefined while nothing is protected. */
  readonly sender: SenderStatus | undefined;
  /** Since the start: recovery points committed, and cuts that did not converge. */
  readonly points: number;
  readonly conflicts: number;
  /** Recovery points that became durable, ever. */
  readonly durablePoints: number;
  /** Bytes of disk in the cuts committed since the start, and bytes of frames that were sent. */
  readonly changedBytes: number;
  readonly sentBytes: number;
  /** Blocks that were compared with the vault since the start, although nobody wrote to them. */
  readonly checkedBlocks: number;
  /** Committed and not durable. */
  readonly pendingBytes: number;
  /** Of disk, in cuts that are not on the disk of a process server either. */
  readonly sourceBytes: number;
  /** How fast disks change: see `Churn`. */
  readonly churnSeconds: readonly number[];
  readonly peakChurn: number;
  readonly pendingCuts: number;
  readonly logQuotaBytes: number;
  /** Milliseconds since 1970 of the newest durable point; 0 before the first. */
  readonly newestPoint: number;
  /** What became of the point that was asked for; undefined while nothing is known, or none is asked for. */
  readonly pointAnswer: (PointAnswer & { readonly durable: boolean }) | undefined;
  /** Undefined before the first durable point. */
  readonly rpoSeconds: number | undefined;
}

/** The work of one machine under a desired state: what capture, log and sender do together. */
export interface Engine {
  readonly status: EngineStatus;
  /**
   * What is wanted from now on; undefined: nothing is protected, and what was kept of the machine is removed. Takes effect soon, without
   * interrupting the capture where only interval, excluded disks, servers or compression change.
   */
  apply(revision: bigint, protection: AgentProtection | undefined): void;
  /** A point now, whatever the time. */
  pointNow(): void;
  /** The warnings since the last call. */
  takeEvents(): EngineEvent[];
  /** Resolves when the work has ended in order. Everything committed stays in the log and the kernel goes on tracing. */
  stop(): Promise<void>;
}
