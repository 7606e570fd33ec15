import type { HoldfastError } from '@holdfast/errors';
import type { ReplicationCall } from '@holdfast/protocol';

/** Serves the replication streams of one machine, one at a time: a newer one replaces the one before. */
export interface MachineReceiver {
  readonly machineId: string;
  readonly connected: boolean;
  /** Serves a stream until it ends; rejects with what the agent is to be told. */
  serve(call: ReplicationCall): Promise<void>;
  /** Bytes in the journal of the beginning of a cut, while there is no stream. */
  readonly partialBytes: number;
  /** Gives that beginning up. */
  dropPartial(): void;
  /** Resolves when the stream that was ended is done with the journal. */
  settled(): Promise<void>;
  /** Ends the stream, if there is one. */
  disconnect(error: HoldfastError): void;
  /** Ends the stream and waits until it is done with the journal; takes none any more. */
  close(error: HoldfastError): Promise<void>;
}
