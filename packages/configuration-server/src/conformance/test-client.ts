import type { DescService } from '@bufbuild/protobuf';
import { type Client, createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import type { TlsCredentials } from '@holdfast/protocol';

/** How a client of a test comes in. */
export interface Approach {
  readonly http?: '1.1' | '2';
  readonly protocol?: 'connect' | 'grpc' | 'json';
  readonly token?: string;
  readonly credentials?: Pick<TlsCredentials, 'key' | 'certificateChain'>;
}

/** Calls of a configuration server on 127.0.0.1, in this process or another. */
export interface TestClient {
  client<S extends DescService>(service: S, approach?: Approach): Client<S>;
  /** As the administrator. */
  api<S extends DescService>(service: S): Client<S>;
}

/** Milliseconds after which a connection that nobody uses is closed: many clients are made, and each has its own. */
const IDLE = 2000;

export const createTestClient = (port: number, administrator: string): TestClient => {
  const baseUrl = `https://127.0.0.1:${port}`;
  const client = <S extends DescService>(
    service: S,
    { http = '2', protocol = 'connect', token, credentials }: Approach = {},
  ): Client<S> => {
    const bearer: Interceptor = (next) => (request) => {
      if (token !== undefined) request.header.set('authorization', `Bearer ${token}`);
      return next(request);
    };
    const tls = {
      rejectUnauthorized: false,
      ...(credentials === undefined ? {} : { key: credentials.key, cert: credentials.certificateChain }),
    };
    const options = { nodeOptions: tls, baseUrl, interceptors: [bearer], idleConnectionTimeoutMs: IDLE };
    if (protocol === 'grpc') return createClient(service, createGrpcTransport(options));
    const form = { ...options, useBinaryFormat: protocol !== 'json' };
    return createClient(service, createConnectTransport(http === '2' ? { ...form, httpVersion: '2' } : { ...form, httpVersion: '1.1' }));
  };

  return { client, api: (service) => client(service, { token: administrator }) };
};
