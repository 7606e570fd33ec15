import type { AgentProtection, AgentReport, DiskPhase } from '@holdfast/protocol';

/** One disk as the engine sees it. */
export interface DiskStatus {
  readonly id: string;
  readonly path: string;
  readonly phase: DiskPhase;
  /** Bytes; 0 while unknown. */
  readonly size: number;
  /** Bytes of a copy that are committed; `size` when it is complete. */
  readonly copiedBytes: number;
  readonly problem: { readonly code: string; readonly text: string } | undefined;
}

/** Something people should know of. */
export interface EngineEvent {
  readonly unixMillis: number;
  readonly code: string;
  readonly text: string;
}

export interface EngineStatus {
  readonly protecting: boolean;
  readonly disks: readonly DiskStatus[];
  /** Why the work as a whole cannot be done now. */
  readonly problem: { readonly code: string; readonly text: string } | undefined;
  /** Recovery points committed, durable, and cuts that did not converge, since the start. */
  readonly points: number;
  readonly durablePoints: number;
  readonly conflicts: number;
  /** Bytes of disk changed, and of frames, in the cuts committed since the start. */
  readonly changedBytes: number;
  readonly sentBytes: number;
  /** Committed and not durable. */
  readonly pendingBytes: number;
  readonly pendingCuts: number;
  readonly logBytes: number;
  readonly logQuotaBytes: number;
  /** Milliseconds since 1970; 0 before the first. */
  readonly newestPoint: number;
  /** Undefined before the first durable point. */
  readonly rpoSeconds: number | undefined;
}

/** The work of one machine under a desired state: what capture, log and sender do together. */
export interface Engine {
  readonly status: EngineStatus;
  /**
   * What is wanted from now on; undefined: nothing is protected, what was kept is removed. Takes effect soon; what can change without
   * interrupting the capture (interval, excluded disks, servers, compression) does.
   */
  apply(revision: bigint, protection: AgentProtection | undefined): void;
  /** The present report; events not yet reported go with it and are forgotten by `reported`. */
  report(): AgentReport;
  reported(report: AgentReport): void;
  /** A point now, whatever the time. */
  pointNow(): void;
  /** Stops in order; everything committed stays in the log and the kernel goes on tracing. */
  stop(): Promise<void>;
}
