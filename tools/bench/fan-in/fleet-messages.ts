import type { TlsCredentials } from '@holdfast/protocol';

export const BLOCK_BYTES = 4096;

export interface FleetSettings {
  readonly address: string;
  readonly serverId: string;
  readonly machines: readonly { readonly machineId: string; readonly credentials: TlsCredentials }[];
  /** Of each machine's one disk. */
  readonly diskBlocks: number;
  /** Written at random places from cut to cut. */
  readonly changedBlocks: number;
  readonly intervalMs: number;
  /** Milliseconds from one machine's first connection to the next one's. */
  readonly rampMs: number;
}

export type FleetRequest = { readonly kind: 'start'; readonly settings: FleetSettings } | { readonly kind: 'figures' };

/** Since the figures before. */
export interface FleetFigures {
  /** Agents that had a stream. */
  readonly connected: number;
  /** Machines with a durable point. */
  readonly replicating: number;
  readonly cuts: number;
  /** Bytes of frames. */
  readonly sentBytes: number;
  /** Seconds, over all machines, sampled every second. */
  readonly rpoMedian: number;
  readonly rpo95: number;
  readonly errors: readonly string[];
  readonly errorCount: number;
}
