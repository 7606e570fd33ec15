import type { Epoch, Generation, Manifest, Point } from '@holdfast/protocol';
import type { Finding } from './check-machine.ts';
import type { Anchor, DiskHead, FailedOver } from './head.ts';
import type { MachineSummary } from './machine.ts';
import type { Vault } from './vault.ts';

/** An epoch and where its frames are. */
export interface EpochEntry {
  readonly epoch: Epoch;
}

export interface GenerationHistory {
  readonly id: string;
  readonly diskId: string;
  readonly generation: Generation;
  /** By number, without gaps. */
  readonly epochs: readonly EpochEntry[];
}

/** A point a machine can be started from: every member's epoch is in the vault. */
export interface RecoveryPoint {
  readonly id: string;
  /** Milliseconds since 1970 by the source's clock; order comes from the position in the list. */
  readonly time: number;
  readonly point: Point;
  /** Ids of its disks. */
  readonly disks: readonly string[];
  readonly manifest: Manifest | undefined;
}

/** Everything a machine's log says, read at one moment. */
export interface MachineHistory {
  readonly vault: Vault;
  readonly machine: MachineSummary;
  /** To be kept as an anchor for the next reading. */
  readonly head: Anchor;
  /** The newest epoch of each disk, by disk id. */
  readonly heads: ReadonlyMap<string, DiskHead>;
  readonly failedOver: FailedOver | undefined;
  /** By id. */
  readonly manifests: ReadonlyMap<string, Manifest>;
  /** By id, in the order they began. */
  readonly generations: ReadonlyMap<string, GenerationHistory>;
  /** Oldest first. */
  readonly points: readonly RecoveryPoint[];
  /** Damage that ended the reading early; what is before it is whole. */
  readonly damage: readonly Finding[];
}
