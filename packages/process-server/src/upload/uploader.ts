import type { HoldfastError } from '@holdfast/errors';
import type { Cut, LogAnchor } from '@holdfast/protocol';
import type { Anchor, DiskHead } from '@holdfast/vault';
import type { JournaledCut } from '../journal/journal.ts';

/** How a machine's log stands when a stream begins. */
export interface Standing {
  readonly term: number;
  /** The newest durable epoch of each disk, by disk id. */
  readonly durable: ReadonlyMap<string, DiskHead>;
  /** The newest epoch of each disk that is durable or journaled. */
  readonly accepted: ReadonlyMap<string, EpochPosition>;
  /** Epochs that the log has of each generation of any disk, by generation id. */
  readonly log: ReadonlyMap<string, number>;
}

/** A place in a disk's history. */
export interface EpochPosition {
  readonly generationId: string;
  readonly number: number;
}

/** What a live stream is told. */
export interface UploadListener {
  onDurable(cut: JournaledCut, anchor: Anchor): void;
  /** The vault will not take these disks' epochs any more; the cut, and those behind it, are given up. */
  onRefused(cut: JournaledCut, reason: HoldfastError): void;
  /** The journal lost cuts: they have to be sent again. */
  onLost(reason: HoldfastError): void;
  /** Another writer took over, or the machine is failed over (then with the operation's id). */
  onFenced(fence: Fence): void;
}

export interface Fence {
  readonly term: number;
  readonly reason: string;
  readonly operationId?: string;
}

export interface UploadState {
  /** 0 before a term was taken. */
  readonly term: number;
  /** The newest durable slot. */
  readonly head: Anchor | undefined;
  readonly pendingBytes: number;
  /** Of these, bytes that were given to the writer: on their way into the store. */
  readonly uploadingBytes: number;
  /** Milliseconds the oldest cut waits that need not be gathered any longer; 0 when none does. */
  readonly backlog: number;
  readonly pendingCuts: number;
  /** Milliseconds since 1970 of the newest durable point; 0 before the first. */
  readonly newestPoint: number;
  /** What keeps cuts from becoming durable. */
  readonly problem: HoldfastError | undefined;
  readonly fence: Fence | undefined;
}

/** Carries the cuts of one machine from the journal into its vault, in order, for as long as the machine is assigned. */
export interface Uploader {
  readonly machineId: string;
  readonly state: UploadState;
  /**
   * Makes sure that this server is the machine's writer, with a term not below `seenTerm`, over a log that holds `anchor`. Rejects with FENCED
   * (`state.fence` says more), VAULT_ROLLED_BACK, or why the vault cannot be had.
   */
  open(seen: { readonly term: number; readonly anchor: LogAnchor | undefined }): Promise<Standing>;
  /** True for a cut that is known to be in the vault. */
  isDurable(cutId: string): boolean;
  /** True for a cut that is journaled, or known to be in the vault. */
  isKnown(cutId: string): boolean;
  /** Ids of the cuts that are journaled and not durable. */
  pending(): readonly string[];
  /** True for an epoch that is journaled and not durable. */
  isPending(diskId: string, epoch: EpochPosition): boolean;
  /** `awaited`: at once, whatever may be gathered otherwise. `cut`: its message, where that is at hand. */
  submit(journaled: JournaledCut, options?: { readonly awaited: boolean; readonly cut?: Cut }): void;
  /** Somebody waits for what is pending. */
  hurry(): void;
  /** Tells one stream from now on; undefined ends that. */
  listen(listener: UploadListener | undefined): void;
  /** Stops; what is not durable stays in the journal. */
  close(): Promise<void>;
  /** After the close: what is not durable leaves the journal; the machine's agent still holds it, and has another server. */
  forget(): void;
}
