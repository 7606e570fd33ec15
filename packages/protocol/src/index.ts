export { type BandwidthLimit, bytesPerSecondAt } from './bandwidth.ts';
export { CHECK_CODES, CHECKS, type Check, type CheckCode, type Checker } from './checks/checks.ts';
export { type Finding, missed, notSo, passed, tryCheck, unknown } from './checks/finding.ts';
export { connectError, fromConnect } from './connect/connect-error.ts';
export type { CutContent } from './cut-content.ts';
export * from './gen/holdfast/v1/alert_pb.ts';
export * from './gen/holdfast/v1/api_pb.ts';
export * from './gen/holdfast/v1/checks_pb.ts';
export * from './gen/holdfast/v1/control_pb.ts';
export * from './gen/holdfast/v1/enrolment_pb.ts';
export * from './gen/holdfast/v1/lineage_pb.ts';
export * from './gen/holdfast/v1/manifest_pb.ts';
export * from './gen/holdfast/v1/people_pb.ts';
export * from './gen/holdfast/v1/plan_api_pb.ts';
export * from './gen/holdfast/v1/recovery_api_pb.ts';
export * from './gen/holdfast/v1/recovery_pb.ts';
export * from './gen/holdfast/v1/replication_pb.ts';
export * from './gen/holdfast/v1/resources_pb.ts';
export * from './gen/holdfast/v1/vault_api_pb.ts';
export * from './gen/holdfast/v1/vault_pb.ts';
export { connectReplication } from './grpc/connect-replication.ts';
export { splitFrames } from './grpc/frames-payload.ts';
export type { MessageStream } from './grpc/message-stream.ts';
export { RECEIVE_WINDOW } from './grpc/receive-window.ts';
export type {
  ReplicationCall,
  ReplicationClientOptions,
  ReplicationServer,
  ReplicationServerOptions,
  ReplicationStream,
} from './grpc/replication.ts';
export { createReplicationServer } from './grpc/replication-server.ts';
export type { Keepalive } from './grpc/signs-of-life.ts';
export { ID_SIZE, idBytes, idText, isId, newId } from './id.ts';
export { connectionError } from './identity/connection-error.ts';
export type { CredentialSource, TlsCredentials } from './identity/credentials.ts';
export {
  IDENTITY_ROLES,
  type Identity,
  type IdentityRole,
  identitySubject,
  identityUri,
  roleOfMessage,
  sameIdentity,
} from './identity/identity.ts';
export { certificateError, type ExpectedPeer, type Grace, type Peer, peerOfSocket, readPeer, requirePeer } from './identity/peer.ts';
export { encodeSuccessor, LARGEST_SUCCESSOR, readSuccessor, SUCCESSOR_PATH, successorText } from './identity/successor.ts';
export { clientTlsOptions, publicKeyFingerprint, serverTlsOptions } from './identity/tls-options.ts';
export { type MachineNetwork, parseMachineNetwork, parseMachineSize } from './machine-words.ts';
export { findSilentAgent, formatSilentAgent, RECOVERY_PORT, type SilentAgent } from './recovered-agent.ts';
export { describeRecoveryMarker, formatRecoveryMarker, RECOVERY_MARKER, type RecoveryMarker } from './recovery-marker.ts';
export { isWithin, windowProblem } from './time-window.ts';
