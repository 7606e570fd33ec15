import type { CodecName, Extent } from '@holdfast/block';
import type { HoldfastError } from '@holdfast/errors';
import type { CutContent, PointKind } from '@holdfast/protocol';
import type { WriterHold } from '../capture/capture.ts';
import type { CopyPace } from '../capture/copy-pace.ts';
import type { CopyingOptions } from '../capture/copying.ts';
import type { Sample } from '../capture/samples.ts';
import type { RegisteredDisk } from '../disks/disk-registry.ts';
import type { Hrl } from '../hrl/hrl.ts';

/** What may change while a machine is captured. */
export interface CapturePolicy {
  readonly codec: CodecName;
  /** Ids of disks that every point names as left out. */
  readonly excludedDisks: readonly string[];
}

export interface OpenCaptureOptions {
  readonly machineId: string;
  readonly hrl: Hrl;
  /** Those to protect that are there. */
  readonly disks: readonly RegisteredDisk[];
  /** Read anew for every cut. */
  readonly policy: CapturePolicy;
  /** Disks that must not go on where they were, and why. */
  readonly restart: ReadonlyMap<string, string>;
  /** What the vault has of a disk. */
  readonly digests: NonNullable<CopyingOptions['digests']>;
  readonly pace: CopyPace;
  /** A disk that resynchronizes cannot be compared with the vault, and is copied whole. */
  onWhole(diskId: string, reason: HoldfastError): void;
  /** For what the capture keeps on disk. */
  readonly stateDirectory: string;
  readonly trace: TraceSettings;
  /** True for a disk that has had a complete state in the vault. */
  wasCopied(diskId: string): boolean;
}

export interface TraceSettings {
  /** Kernel memory for events, all processors together. */
  readonly bufferBytes: number;
  /** A directory in a tmpfs; found by itself unless given. */
  readonly memoryDirectory: string | undefined;
  /** Paths of disks that are scanned although they could perhaps be traced. */
  readonly scan?: readonly string[];
  /** False makes wrong points: for showing that oracles notice them. */
  readonly checkConflicts?: boolean;
  /** False takes the agent's own files on a disk for the machine's, so that it follows its own writes: for showing that tests notice it. */
  readonly excludeOwnFiles?: boolean;
}

/** How writers are held still for a cut, and what kind of point that makes. */
export interface CutHold extends WriterHold {
  /** `held`: the instant of the cut lies within all steps. */
  kind(held: boolean): PointKind;
}

/** A capture of all disks of a machine as the engine drives it, whatever it is made of. What it cuts goes into the machine's log. */
export interface MachineCapture {
  /** Disks that are copied although the vault has a state of them, and why. As long as there are any, cuts are no points. */
  readonly resyncs: ReadonlyMap<string, string>;
  /** Disks that cannot be captured now, and why. While there are any, no point can be whole. */
  readonly missing: ReadonlyMap<string, HoldfastError>;
  /** Disks whose writes cannot be traced, and why: they are read and compared, and there are points only while nothing is written to them. */
  readonly scanned: ReadonlyMap<string, string>;
  /** Tries those again. */
  retryMissing(): Promise<void>;
  /** Copies what the vault lacks, in pieces, as far as that is possible beside the writes; ends early when the signal is aborted. */
  copy(options: { readonly signal: AbortSignal; onProgress(): void }): Promise<void>;
  /** True when there is something to cut and no disk is missing. */
  readonly canCut: boolean;
  /**
   * Commits a cut: a recovery point unless a disk resynchronizes. CAPTURE_NOT_CONVERGED when the disks did not let it, NO_SPACE when the log is
   * full, INTERRUPTED where the signal could end it. Where nothing can be held (image files) a hold is left out.
   */
  cut(signal: AbortSignal, hold?: CutHold): Promise<CutContent>;
  /** Some blocks of a disk as the newest cut holds them; undefined where that cannot be told. */
  sample(diskId: string, range: Extent): Promise<Sample | undefined>;
  /** Rejects when going on is impossible; never resolves. */
  readonly failure: Promise<never>;
  /** Stops looking; a later capture goes on where this one was. */
  close(): Promise<void>;
}
