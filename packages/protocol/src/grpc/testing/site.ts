import type { HoldfastError } from '@holdfast/errors';
import { type Certified, createTestAuthority, type TestAuthority } from '../../conformance/test-authority.ts';
import { newId } from '../../id.ts';
import type { TlsCredentials } from '../../identity/credentials.ts';
import { connectReplication } from '../connect-replication.ts';
import type {
  ReplicationCall,
  ReplicationClientOptions,
  ReplicationServer,
  ReplicationServerOptions,
  ReplicationStream,
} from '../replication.ts';
import { createReplicationServer } from '../replication-server.ts';

/** A replication server with an authority, and agents that connect to it. */
export interface Site {
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
  const { create } = await import('@bufbuild/protobuf');
  const { ReplicateResponseSchema } = await import('../../gen/holdfast/v1/replication_pb.ts');
  for await (const _message of call)
    await call.send(create(ReplicateResponseSchema, { message: { case: 'credit', value: { bytes: 1n } } }));
};

export const openSite = async (options: Partial<ReplicationServerOptions> = {}): Promise<Site> => {
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
