import type { Extent } from '@holdfast/block';
import type { WriteSink, WriteTrace } from '../trace/write-trace.ts';
import type { DiskSource } from './disk-source.ts';
import type { Staging } from './staging.ts';

/** What a round came to: the cut is exact at its instant, or why it is not. */
export type RoundResult =
  | { readonly exact: true }
  /** `read`: blocks it read; none means that only time will help. */
  | { readonly exact: false; readonly reason: string; readonly read: number };

/** How a range is read. */
export interface RangeReading {
  /** The parts of what was read, whole blocks, that are not known to be there already. All of it unless told. */
  differing?(offset: number, data: Uint8Array): readonly Extent[];
  /** Told of each read, for which the disk took so many milliseconds. True ends the reading. */
  enough?(bytes: number, milliseconds: number): boolean;
  /** True: all that differs is to be sent, nobody will call it the same afterwards. Frames are made of it while reading goes on. */
  readonly isFinal?: boolean;
}

export interface RoundDisk {
  readonly index: number;
  readonly staging: Staging;
  /** Called when the staging holds more than `STAGING_LIMIT`: hands what it holds on. */
  spill(): Promise<void>;
}

export interface Convergence {
  /** For whoever else makes the trace drain: gets every event. */
  readonly sink: WriteSink;
  /** Empties the rings; to be called often enough that they never fill. */
  drain(): void;
  /**
   * From now on the disk takes part. Everything in the trace's dirty set is still to be read. `bioBased`: it is told of as a disk that the
   * kernel handles without requests.
   */
  add(index: number, source: DiskSource, bioBased?: boolean): void;
  /** Takes a disk out; between cuts only. */
  remove(index: number): void;
  /** The disk grew and is read through `source` from now on; between cuts only. */
  grow(index: number, source: DiskSource): void;
  /** Requests that completed, of all disks. */
  readonly requests: number;
  /**
   * Writes need not be told of as they are issued until something is read again; only where no cut and no copy has read anything that is not committed or
   * dropped. They go on being told of where that would make cuts wait, until `tellIssues`: of disks that are hardly ever seen idle.
   */
  silenceIssues(): void;
  /** They are told of again. The disks are calm: one that was hardly ever idle is silenced once more when it is busy again. */
  tellIssues(): void;
  /** The instant of the cut being made, on the trace's clock. */
  readonly instant: number;
  /** Blocks of the disk known to be changed and not yet read. */
  pending(index: number): number;
  /** Reads what completed writes changed, into the stagings, for a cut of all these disks at one new instant. */
  round(disks: readonly RoundDisk[]): Promise<RoundResult>;
  /**
   * A round of one disk alone, read out of a snapshot that `take` makes: it holds every write that had ended before the call, none that began after
   * it, and nobody writes to it. What was written while it was made is read now and again with the next cut, for it may be newer.
   */
  snapshotRound(disk: RoundDisk, take: () => Promise<DiskSource>): Promise<RoundResult>;
  /**
   * Reads a range of one disk as it is, for a piece of a copy that is not yet a state of the disk. Tells where it came to: not always to the
   * end, where `how` has enough.
   */
  readRange(disk: RoundDisk, range: Extent, how?: RangeReading): Promise<number>;
  /** Reads what completed writes changed on one disk as it is, for such a piece. */
  readChanges(disk: RoundDisk): Promise<void>;
  /**
   * Reads a range of one disk as it is. Tells of which blocks, by their bytes, no write is known since the last cut that was exact and
   * committed, nor under way while they were read: they are what that cut holds of them. None when there are doubts about the disk as a whole.
   */
  readStill(index: number, range: Extent): ReadonlyMap<number, Uint8Array>;
  /** What the stagings hold is committed: forget it. With `exact` it was a cut, and the disks' next ones build on it. */
  committed(disks: readonly RoundDisk[], exact: boolean): void;
  /** What the stagings hold is dropped: it will be read again. */
  abandoned(disks: readonly RoundDisk[]): void;
}

export interface ConvergenceOptions {
  readonly trace: WriteTrace;
  /** False publishes rounds in spite of conflicts. Only for showing that the oracles notice. */
  readonly checkConflicts?: boolean;
  /** Lets other work of the program go on during long reads. */
  yield?(): Promise<void>;
}
