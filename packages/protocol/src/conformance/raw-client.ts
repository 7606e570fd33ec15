import { Client, credentials as grpcCredentials, type ServiceError } from '@grpc/grpc-js';
import { errorOfStatus } from '../grpc/grpc-status.ts';
import { REPLICATE } from '../grpc/method.ts';
import type { ReplicationSite } from './replication-site.ts';

/** Sends bytes as one message, past all checks of our own client, and gives the error the call ended with. */
export const connectRaw = async ({ agent, server }: ReplicationSite, bytes: Buffer): Promise<{ error?: unknown }> => {
  const secure = grpcCredentials.createSsl(Buffer.from(agent.authorities), Buffer.from(agent.key), Buffer.from(agent.certificateChain), {
    checkServerIdentity: () => undefined,
  });
  const client = new Client(`127.0.0.1:${server.port}`, secure, { 'grpc.ssl_target_name_override': 'server.test' });
  const call = client.makeBidiStreamRequest(REPLICATE.path, REPLICATE.requestSerialize, REPLICATE.responseDeserialize);
  call.resume();
  call.write(bytes);
  try {
    return await new Promise((resolve) => {
      call.on('error', (reason: ServiceError) => resolve({ error: errorOfStatus(reason, 'server') }));
      call.on('end', () => resolve({}));
    });
  } finally {
    client.close();
  }
};
