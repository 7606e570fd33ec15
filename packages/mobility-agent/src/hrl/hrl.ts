import type { Cut, CutContent } from '@holdfast/protocol';

/** A state in the history of a disk: the one after this epoch. */
export interface DiskStateRef {
  readonly generationId: string;
  readonly number: number;
}

/** The newest epoch of one disk that is in the log or was freed. */
export interface HrlHead {
  readonly diskId: string;
  readonly generationId: string;
  /** Number of the epoch within its generation. */
  readonly number: number;
  /** The generation has not converged yet: its epochs are pieces. */
  readonly open: boolean;
  /** While open: the copy goes on at this byte. */
  readonly coveredThrough: number;
  /**
   * The newest state of the disk: this epoch, or while the generation is open the state it builds on. Undefined while the first copy is
   * not complete, and in logs of version 1 for every open generation.
   */
  readonly state: DiskStateRef | undefined;
  /** Bytes of the disk at that epoch. */
  readonly diskSize: number;
  /**
   * The generation must not go on: the machine was restarted, so that later epochs of it may have been committed, even sent, and lost here.
   * A new generation may have this epoch as its parent.
   */
  readonly ended: boolean;
}

/** The manifest that a committed cut carried last. `identity` tells whether another one says the same (`manifestIdentity`). */
export interface HrlManifest {
  readonly id: string;
  readonly identity: string;
}

/** What opening found. */
export interface HrlRecovery {
  /**
   * `fresh`: there was no log. `same`: the machine ran on, every committed cut is here. `changed`: the machine was restarted since, so
   * that what had not reached the disk is gone and cuts may be here that were freed; every generation ends.
   */
  readonly boot: 'fresh' | 'same' | 'changed';
  /** What is lost of committed cuts and why, in words for people; empty unless `boot` is `changed`. */
  readonly losses: readonly string[];
}

/**
 * The agent's own log of committed cuts which are not yet durable in the vault; one per machine, one process at a time. Its files are
 * preallocated and recycled: first segments in memory (a tmpfs) up to a budget, then segments on disk up to the quota. A SIGKILL at any
 * instruction loses no committed cut. Format: docs/hrl.md.
 */
export interface Hrl {
  readonly recovery: HrlRecovery;
  /** Starts a cut, of which nothing counts before its commit. One at a time. NO_SPACE when the quota is full. */
  begin(): HrlCutWriter;
  /** Committed cuts which have not been freed, oldest first. Their frames may be streamed any number of times until they are freed. */
  committed(): readonly CutContent[];
  /** The oldest committed cut is durable in the vault: its room may be used again. */
  free(cutId: string): void;
  /** The newest committed epoch of every disk ever committed here, by disk id; known even when everything was freed. */
  heads(): ReadonlyMap<string, HrlHead>;
  /** The newest committed point and manifest; known even when everything was freed. */
  readonly lastPointId: string | undefined;
  readonly lastManifest: HrlManifest | undefined;
  /** Bytes of committed cuts and of the one being written. */
  readonly usedBytes: number;
  /** Bytes all segments may take, in memory and on disk. */
  readonly quotaBytes: number;
  /** Paths of all files of the log, for exclusion by physical extents. Grows when a segment is added: ask anew for every cut. */
  files(): string[];
  /** Abandons a cut that was begun and closes the files. */
  close(): Promise<void>;
}

/** Takes the frames of one cut. Frames of different epochs may be mixed; their order within an epoch is kept. */
export interface HrlCutWriter {
  /**
   * Adds a serialized frame to what becomes `cut.epochs[epochIndex]`; the bytes are written before it returns. When there is no room left
   * it throws NO_SPACE and the cut is abandoned; so it is after every other failure. `crc`: CRC-32 of its bytes, where it is known.
   */
  append(epochIndex: number, frame: Uint8Array, crc?: number): void;
  /** The content digest of the frames appended so far to one epoch. */
  epochDigest(epochIndex: number): Uint8Array<ArrayBuffer>;
  /**
   * Makes the cut count. EPOCH_CONFLICT when an epoch does not follow the newest one of its disk or differs from the appended frames;
   * the cut is abandoned then.
   */
  commit(cut: Cut): CutContent;
  /** Drops everything appended. Does nothing after `commit` or `abandon`. */
  abandon(): void;
}
