import type { HoldfastError } from '@holdfast/errors';
import type { CutContent, ReplicationStream } from '@holdfast/protocol';
import type { Hrl } from '../hrl/hrl.ts';
import type { SenderMemory } from './sender-memory.ts';

/** Waits of a sender that does not come through, in milliseconds. */
export interface SenderWaits {
  /** After the first failure of all servers, doubled with each that follows, */
  readonly first: number;
  /** up to this. */
  readonly longest: number;
  /** After an answer that only people can change: fenced, revoked, not assigned. */
  readonly refused: number;
}

export interface SenderOptions {
  /** 32 hexadecimal digits. */
  readonly machineId: string;
  /** Version of the agent. */
  readonly version: string;
  readonly log: Pick<Hrl, 'committed' | 'free' | 'heads'>;
  readonly memory: SenderMemory;
  /** Process servers to try, in order, "host:port". */
  readonly servers: readonly string[];
  connect(address: string): Promise<ReplicationStream>;
  /** Told of each cut, in order, once it is durable and freed. */
  onDurable(content: CutContent): void;
  /** The server wants a disk from the beginning. */
  onResyncNeeded(diskId: string, reason: string): void;
  /** Told of every change of `status.state` and of every new problem. */
  onChange(status: SenderStatus): void;
  readonly waits?: SenderWaits;
  /** 0 to 1, for the jitter of waits. */
  random?(): number;
}

export interface SenderStatus {
  /** `fenced`: another writer has the machine's log, or the machine is failed over; asked again now and then. */
  readonly state: 'idle' | 'connecting' | 'connected' | 'waiting' | 'refused' | 'fenced';
  /** The server of the stream, or the last one tried. */
  readonly server: string | undefined;
  /** Why there is no stream. */
  readonly problem: HoldfastError | undefined;
  /** Bytes of payload handed to the transport since the start. */
  readonly sentBytes: number;
  /** Bytes that may be sent before the server grants more, and what it asks to stay below (0: nothing). */
  readonly credit: number;
  readonly pace: number;
}

/**
 * Carries the committed cuts of one machine, in order, to a process server, through every break, and frees each only when it is told that
 * the vault has it. Rules: docs/protocol.md, "The replication stream".
 */
export interface Sender {
  readonly status: SenderStatus;
  /** Cuts the server has on its disk though not in the vault, as far as the present stream tells. */
  isJournaled(cutId: string): boolean;
  /** Something was committed. */
  wake(): void;
  /** Other servers from now on; a stream to one that is not among them ends. */
  useServers(servers: readonly string[]): void;
  /** Ends the stream and tries no more. Everything not freed stays in the log. */
  stop(): Promise<void>;
}
