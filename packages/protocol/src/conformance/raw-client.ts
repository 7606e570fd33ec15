import { Client, credentials as grpcCredentials, type ServiceError } from '@grpc/grpc-js';
import { errorOfStatus } from '../grpc/grpc-status.ts';
import { REPLICATE } from '../grpc/method.ts';
import type { ReplicationSite } from './replication-site.ts';
import type { Certified } from './test-authority.ts';

/** A client past all checks of our own. */
export interface RawClient {
  /** Sends bytes as one message of a new call on the same connection, ends, and gives the error the call ended with. */
  send(bytes: Buffer): Promise<{ error?: unknown }>;
  close(): void;
}

export const openRawClient = ({ agent, server }: ReplicationSite, certified: Certified = agent): RawClient => {
  const secure = grpcCredentials.createSsl(
    Buffer.from(certified.authorities),
    Buffer.from(certified.key),
    Buffer.from(certified.certificateChain),
    { checkServerIdentity: () => undefined },
  );
  const client = new Client(`127.0.0.1:${server.port}`, secure, { 'grpc.ssl_target_name_override': 'server.test' });
  return {
    send: (bytes) =>
      new Promise((resolve) => {
        const call = client.makeBidiStreamRequest(REPLICATE.path, REPLICATE.requestSerialize, REPLICATE.responseDeserialize);
        call.resume();
        call.write(bytes);
        call.end();
        call.on('error', (reason: ServiceError) => resolve({ error: errorOfStatus(reason, 'server') }));
        call.on('end', () => setImmediate(() => resolve({})));
      }),
    close: () => client.close(),
  };
};
