import { create } from '@bufbuild/protobuf';
import type { HoldfastError } from '@holdfast/errors';
import { ReplicateResponseSchema } from '../gen/holdfast/v1/replication_pb.ts';
import { connectReplication } from '../grpc/connect-replication.ts';
import type {
  ReplicationCall,
  ReplicationClientOptions,
  ReplicationServer,
  ReplicationServerOptions,
  ReplicationStream,
} from '../grpc/replication.ts';
import { createReplicationServer } from '../grpc/replication-server.ts';
import { newId } from '../id.ts';
import type { TlsCredentials } from '../identity/credentials.ts';
import { type Certified, createTestAuthority, type TestAuthority } from './test-authority.ts';

/** A replication server with an authority, and agents that connect to it. */
export interface ReplicationSite {
  readonly authority: TestAuthority;
  readonly agent: Certified;
  readonly server: ReplicationServer;
  readonly serverId: string;
  /** What `onProblem` was told. */
  readonly problems: readonly HoldfastError[];
  /** Connects with the agent's certificate, or another. */
  connect(credentials?: TlsCredentials, options?: Partial<ReplicationClientOptions>): Promise<ReplicationStream>;
  close(): Promise<void>;
}

/** Answers each message with a credit of one byte until the other side ends. */
export const answerEach = async (call: ReplicationCall): Promise<void> => {
  for await (const _message of call)
    await call.send(create(ReplicateResponseSchema, { message: { case: 'credit', value: { bytes: 1n } } }));
};

/** Opens one on a free port of 127.0.0.1. */
export const openReplicationSite = async (options: Partial<ReplicationServerOptions> = {}): Promise<ReplicationSite> => {
  const authority = await createTestAuthority();
  const serverId = newId();
  const own = await authority.issue({ role: 'process-server', id: serverId });
  const agent = await authority.issue({ role: 'agent', id: newId() });
  const problems: HoldfastError[] = [];
  const server = await createReplicationServer({
    host: '127.0.0.1',
    port: 0,
    credentials: { current: () => own },
    receiveWindow: 1024 * 1024,
    roles: ['agent'],
    admit: () => undefined,
    serve: answerEach,
    onProblem: (error) => void problems.push(error),
    ...options,
  });
  return {
    authority,
    agent,
    server,
    serverId,
    problems,
    connect: (credentials = agent, others = {}) =>
      connectReplication({
        address: `127.0.0.1:${server.port}`,
        credentials: { current: () => credentials },
        expect: { role: 'process-server', id: serverId },
        ...others,
      }),
    close: () => server.close(),
  };
};
