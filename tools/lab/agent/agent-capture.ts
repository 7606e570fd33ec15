import type { CopyProgress } from '@holdfast/mobility-agent';

/** A capture as the agent's process drives it: what it cuts goes into the agent's log. */
export interface AgentCapture {
  /** Disks that cannot go on where they were, in words. */
  readonly resyncs: readonly string[];
  /** Copies what the vault lacks, as far as that is possible beside the writes; ends early when the signal is aborted. */
  copy(options: { readonly signal: AbortSignal; onProgress(progress: Pick<CopyProgress, 'done' | 'total'>): void }): Promise<void>;
  /** Commits a recovery point. CAPTURE_NOT_CONVERGED when the disks did not let it. */
  cut(): Promise<void>;
  /** Rejects when going on is impossible; never resolves. */
  readonly failure: Promise<never>;
  close(): Promise<void>;
}
