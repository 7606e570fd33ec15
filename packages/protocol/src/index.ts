export type { CutContent } from './cut-content.ts';
export * from './gen/holdfast/v1/api_pb.ts';
export * from './gen/holdfast/v1/control_pb.ts';
export * from './gen/holdfast/v1/enrolment_pb.ts';
export * from './gen/holdfast/v1/lineage_pb.ts';
export * from './gen/holdfast/v1/manifest_pb.ts';
export * from './gen/holdfast/v1/replication_pb.ts';
export * from './gen/holdfast/v1/resources_pb.ts';
export * from './gen/holdfast/v1/vault_pb.ts';
export type { MessageStream } from './grpc/message-stream.ts';
export type {
  ReplicationCall,
  ReplicationClient,
  ReplicationClientOptions,
  ReplicationServer,
  ReplicationServerOptions,
  ReplicationStream,
} from './grpc/replication.ts';
export { ID_SIZE, idBytes, idText, isId, newId } from './id.ts';
export type { CredentialSource, TlsCredentials } from './identity/credentials.ts';
export {
  IDENTITY_ROLES,
  type Identity,
  type IdentityRole,
  identitySubject,
  identityUri,
  parseIdentityUri,
  roleOfMessage,
  sameIdentity,
} from './identity/identity.ts';
export type { Peer } from './identity/peer.ts';
