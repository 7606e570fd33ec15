import type { HoldfastError } from '@holdfast/errors';
import type { Cut, CutBegin, CutContent } from '@holdfast/protocol';

/** What extents of received frames add up to; kept beside them, so that a cut can be judged whole after a restart. */
export interface FrameSums {
  /** Bytes of extents of each kind. */
  readonly dataBytes: number;
  readonly zeroBytes: number;
  readonly unreadableBytes: number;
  /** End of the extent that reaches farthest, bytes from the start of the disk. */
  readonly end: number;
}

/** What is in the journal of one epoch of a cut. */
export interface EpochProgress extends FrameSums {
  readonly frames: number;
}

/** A message with frames, checked. */
export interface FrameChunk {
  readonly epochIndex: number;
  /** Number of the first frame within its epoch. */
  readonly firstFrame: number;
  readonly frames: number;
  readonly sums: FrameSums;
  /** Frames, each preceded by its length as u32 little-endian. Handed over for good: they are freed once nobody needs them, see `giveBack`. */
  readonly payload: Uint8Array;
  /** The frames one by one: views of the payload. */
  readonly parts: readonly Uint8Array[];
}

/** A cut while it is received. Calls are taken in the order they are made. */
export interface OpenCut {
  readonly machineId: string;
  readonly cutId: string;
  readonly begin: CutBegin;
  readonly progress: readonly EpochProgress[];
  /** Bytes it takes in the journal. */
  readonly bytes: number;
  /**
   * Resolves when the frames are in their file, though perhaps not on the disk yet. Frames from number 0 on begin their epoch anew. Rejects with
   * JOURNAL_FULL.
   */
  append(chunk: FrameChunk): Promise<void>;
  /** Makes one from before this start ready to go on: reads what there is of it. Rejects with DAMAGED. */
  resume(): Promise<void>;
  /** The content digest of the frames of each epoch so far. */
  digests(): readonly Uint8Array[];
  /** Resolves when the cut survives a power loss. Rejects with JOURNAL_FULL. */
  commit(cut: Cut): Promise<JournaledCut>;
  /** Gives the cut up. */
  drop(): void;
}

/**
 * A cut that is on the disk, whole. `frames` rejects with DAMAGED where the journal does not give back what was written. The `cut` of one without frames
 * is made anew whenever it is asked for: who needs it often keeps it.
 */
export interface JournaledCut extends CutContent {
  readonly machineId: string;
  readonly cutId: string;
  /** Bytes it takes in the journal. */
  readonly bytes: number;
  /** Why its data cannot be had any more, once that was seen. */
  readonly damage: HoldfastError | undefined;
  /** It is in the vault, or not wanted any more: its room is used again. */
  release(): void;
}

/** What a machine left in the journal before this start. */
export interface RecoveredMachine {
  /** Oldest first. */
  readonly cuts: readonly JournaledCut[];
  /** The beginning of a cut. */
  readonly partial: OpenCut | undefined;
}

export interface JournalUsage {
  /** Bytes of files that hold something. */
  readonly used: number;
  readonly quota: number;
  /** Bytes they may take now: the quota, or less where the file system is full. */
  readonly limit: number;
  /** Bytes of frames that fit into one cut when there is nothing else. */
  readonly capacity: number;
  /** Bytes that can be written without asking the file system for more room. */
  readonly room: number;
}

/** Received data on its way to the vaults. One for all machines of a process server. Byte by byte: docs/journal.md. */
export interface Journal {
  /** By machine id; of the time before this start. */
  readonly recovered: ReadonlyMap<string, RecoveredMachine>;
  /** What was found damaged at the start, by file and place. Nothing of it is ever served. */
  readonly damage: readonly HoldfastError[];
  readonly usage: JournalUsage;
  /** Rejects when the disk under the journal fails: what it holds must then be looked at from the start. Never resolves. */
  readonly failure: Promise<never>;
  begin(machineId: string, begin: CutBegin): OpenCut;
  /** Takes a cut without frames, whole. Resolves when it survives a power loss. Rejects with JOURNAL_FULL. */
  commit(machineId: string, cut: Cut): Promise<JournaledCut>;
  /** Calls `listener` when there is more room than before, or less. */
  onRoom(listener: () => void): void;
  /** Waits for what is under way. What is in the journal stays. */
  close(): Promise<void>;
}
