import type { HoldfastError } from '@holdfast/errors';
import type { ReplicateRequest, ReplicateResponse } from '../gen/holdfast/v1/replication_pb.ts';
import type { CredentialSource } from '../identity/credentials.ts';
import type { IdentityRole } from '../identity/identity.ts';
import type { ExpectedPeer, Peer } from '../identity/peer.ts';
import type { MessageStream } from './message-stream.ts';
import type { Keepalive } from './signs-of-life.ts';

/** The process server's side of one replication stream. */
export interface ReplicationCall extends MessageStream<ReplicateRequest, ReplicateResponse> {
  /** Whose certificate the stream came with: verified, not revoked when the call began. */
  readonly peer: Peer;
}

/** The agent's side of one replication stream. */
export interface ReplicationStream extends MessageStream<ReplicateResponse, ReplicateRequest> {
  /**
   * Sends one Frames message without copying the frames more often than the transport does anyway. They must not be changed until `copied` is called, which
   * is never for a stream that breaks before.
   */
  sendFrames(epochIndex: number, firstFrame: number, frames: readonly Uint8Array[], copied?: () => void): Promise<void>;
}

export interface ReplicationServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly credentials: CredentialSource;
  /**
   * Bytes the network may hold on their way to this server, per connection (8 to 32 MiB): throughput is at most about
   * window / (2 × round trip). Also the memory a peer may fill before the server reads.
   */
  readonly receiveWindow: number;
  /** Roles that may open streams. */
  readonly roles: readonly IdentityRole[];
  /** Throws the error the peer is told when it may not come in: revoked, unknown, fenced. Called for each stream. */
  admit(peer: Peer): void;
  /** Serves one stream until the returned promise settles: resolved ends the call well, rejected tells the peer the error. */
  serve(call: ReplicationCall): Promise<void>;
  /** When a silent peer counts as gone; default: asked after 20 s, gone 10 s later. */
  readonly keepalive?: Keepalive;
  /** Told of what nobody else sees: refused peers, failed streams, a receive window that could not be set. */
  onProblem(error: HoldfastError): void;
}

export interface ReplicationServer {
  /** The port it listens on. */
  readonly port: number;
  /** Running streams. */
  readonly calls: number;
  readonly connections: number;
  /** Ends all streams and connections of the peers for which `match` is true, telling them `error`. Takes less than two seconds. */
  disconnect(match: (peer: Peer) => boolean, error: HoldfastError): Promise<void>;
  /** Shows and trusts the newest credentials from the next connection on. */
  refreshCredentials(): void;
  /** Takes no new streams, tells the running ones CONNECTION_LOST, and closes; resolves when all is closed. */
  close(): Promise<void>;
}

export interface ReplicationClientOptions {
  /** "host:port". */
  readonly address: string;
  readonly credentials: CredentialSource;
  /** Whose certificate the other side must show. Its host name does not matter. */
  readonly expect: ExpectedPeer;
  /** Milliseconds until the stream must be open; default 10,000. */
  readonly timeout?: number;
  /** When a silent server counts as gone; default: asked after 20 s, gone 10 s later. */
  readonly keepalive?: Keepalive;
}
