import type { Extent } from '@holdfast/block';
import type { CutContent, PointKind } from '@holdfast/protocol';
import type { TracedDevice } from '../trace/device.ts';
import type { Continuity } from '../trace/trace.ts';
import type { DiskSource } from './disk-source.ts';
import type { Sample } from './samples.ts';

/** A disk to be captured. */
export interface CaptureDisk {
  /** 32 hexadecimal digits, given once and kept for the disk's life. */
  readonly id: string;
  readonly device: TracedDevice;
  readonly source: DiskSource;
  /** True if the vault has a state of the disk of which the `.hrl` may know nothing: until it is copied again it holds back points. */
  readonly wasCopied?: boolean;
}

/** How writers are held still for a cut. */
export interface WriterHold {
  /** True: the instant has to lie within all steps. False: each step is taken only when the rounds before it did not converge. */
  readonly always: boolean;
  /** Taken one after the other, with rounds between them, so that little is left to read once nobody writes. */
  readonly steps: readonly (() => Promise<void>)[];
  /** Milliseconds for which rounds are tried after each step. */
  readonly patience: number;
  /**
   * Makes a snapshot of the machine's only disk: a way of its own, instead of steps, for a cut that does not converge. It holds every write that had
   * ended before the call, none that began after it, and is gone with `end`.
   */
  readonly snapshot?: () => Promise<DiskSource>;
  /** Lets everything go; true if all steps taken were in force until now. Called once when a step, or a snapshot, was begun; never rejects. */
  end(): Promise<boolean>;
}

/** A cut that is exact for every member disk but not yet committed. Either `publish` or `abandon` ends it; there is one at a time. */
export interface Proposal {
  readonly cutId: string;
  /** Nanoseconds on the machine's monotonic clock. */
  readonly instant: number;
  readonly rounds: number;
  /** The instant lies within all steps of a hold. */
  readonly held: boolean;
}

export interface CopyProgress {
  /** Bytes of all disks whose generation is open. */
  readonly total: number;
  readonly done: number;
}

/**
 * The capture of one machine: its disks share one clock and one instant. Disks may come and go. One that grows is noticed at the next cut;
 * its new area is copied by itself, and until that is done it resynchronizes.
 */
export interface Capture {
  /** From now on no write to the disk escapes. Tells whether the disk goes on where it was, and why not. */
  attach(disk: CaptureDisk): Promise<Continuity>;
  /**
   * Takes a disk out and forgets what is known of its writes; the others go on undisturbed. From then on points have to name it as excluded.
   * Not while it is part of an open proposal.
   */
  detach(diskId: string): Promise<void>;
  /**
   * Copies what open generations still lack, as pieces, until every disk can take part in a cut; cuts may be made meanwhile, between two
   * pieces. Ends early, without error, when `signal` is aborted or the capture is closed; a later call goes on. While a proposal is open it
   * waits: do not wait for it before that is published or abandoned.
   */
  copy(options?: { readonly signal?: AbortSignal; onProgress?(progress: CopyProgress): void }): Promise<void>;
  /**
   * Rounds until every disk but those being copied is exact at one instant. Throws CAPTURE_NOT_CONVERGED when the machine writes too fast
   * for it or all its disks grew just now, INTERNAL when `canCut` is false. A hold that fails costs nothing but itself: the rounds go on
   * without it.
   */
  propose(hold?: WriterHold): Promise<Proposal>;
  /** True when there is a disk that can take part in a cut. */
  readonly canCut: boolean;
  /** Ids of the disks that resynchronize: as long as there are any, cuts are no recovery points. */
  readonly resynchronizing: readonly string[];
  /**
   * Commits the cut to the `.hrl`, with a recovery point unless a disk resynchronizes: then there is no whole machine, only the epochs of
   * the others. A point names the disks of which the first copy is not complete; what a disk could not be read of is in
   * `Point.unreadableBytes`.
   */
  publish(proposal: Proposal, kind?: PointKind): Promise<CutContent>;
  /** Drops the proposal; its changes belong to the next cut. */
  abandon(proposal: Proposal): Promise<void>;
  /**
   * Reads some of a disk that can take part in a cut, beside the cuts: the blocks that are what the newest cut holds of them. Undefined when
   * there is no such disk or nothing can be said of it now.
   */
  sample(diskId: string, range: Extent): Promise<Sample | undefined>;
  /** Rejects with CONTINUITY_LOST, or whatever else made going on impossible; never resolves. */
  readonly failure: Promise<never>;
  /** Drops an open proposal and stops looking. Trace and `.hrl` stay open: they are the caller's. */
  close(): Promise<void>;
}
