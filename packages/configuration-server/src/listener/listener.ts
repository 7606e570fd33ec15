import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Address, Log } from '@holdfast/daemon';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { serverTlsOptions, type TlsCredentials } from '@holdfast/protocol';
import { endIdle } from './end-idle.ts';
import { keepAlive } from './keep-alive.ts';

/** Answers a request, or gives false when it is none of its own. */
export type RequestHandler = (request: Http2ServerRequest, response: Http2ServerResponse) => boolean;

export interface ListenerOptions {
  readonly address: Address;
  readonly connections: number;
  readonly credentials: TlsCredentials;
  /** Asked in order. */
  readonly handlers: readonly RequestHandler[];
  readonly log: Log;
}

/** The one place where everybody connects to. */
export interface Listener {
  /** The port it really listens on. */
  readonly port: number;
  /** New connections get these. */
  use(credentials: TlsCredentials): void;
  /** Ends the connections of everybody who showed a certificate: whom an authority vouched for that is believed no more. */
  endMembers(): void;
  /** Stops listening, gives calls that are open a moment to end, then closes all connections. */
  close(): Promise<void>;
}

const LIMITS = {
  /** Milliseconds. */
  handshake: 10_000,
  headers: 10_000,
  request: 120_000,
  farewell: 500,
  headerBytes: 16 * 1024,
  headerPairs: 64,
  streams: 128,
} as const;

const notFound = (response: Http2ServerResponse): void => {
  response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' });
  response.end('Holdfast: there is nothing here. The API is called by POST, see docs/protocol.md.\n');
};

/**
 * HTTP/2 and HTTP/1.1 over TLS 1.3 on one port. A client certificate is asked for and everybody is let in: whoever has none is told so by
 * the call. Rejects with ADDRESS_IN_USE or NO_PERMISSION.
 */
export const listen = async ({ address, connections, credentials, handlers, log }: ListenerOptions): Promise<Listener> => {
  const options = {
    ...serverTlsOptions(credentials),
    allowHTTP1: true,
    handshakeTimeout: LIMITS.handshake,
    headersTimeout: LIMITS.headers,
    requestTimeout: LIMITS.request,
    connectionsCheckingInterval: 5000,
    maxHeaderSize: LIMITS.headerBytes,
    maxHeaderListPairs: LIMITS.headerPairs,
    settings: { maxConcurrentStreams: LIMITS.streams, maxHeaderListSize: LIMITS.headerBytes },
  };
  const server = createSecureServer(options);
  server.maxConnections = connections;
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  // Plain ones: a connection may be cut before its handshake is over.
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const members = new Set<TLSSocket>();
  server.on('secureConnection', (socket) => {
    if (socket.getPeerX509Certificate() === undefined) return;
    members.add(socket);
    socket.once('close', () => members.delete(socket));
  });
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    keepAlive(session);
    endIdle(session);
  });
  // A client that breaks the protocol ends its own connection, nothing else.
  server.on('sessionError', (error) => log.debug('A connection broke', { error }));
  server.on('tlsClientError', (error, socket) => {
    log.debug('A TLS connection did not come up', { error, from: socket.remoteAddress });
    socket.destroy();
  });
  server.on('request', (request, response) => {
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    try {
      if (!handlers.some((handle) => handle(request, response))) notFound(response);
    } catch (error) {
      log.warn('A request was not understood', { error });
      request.socket?.destroy();
    }
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', (reason: NodeJS.ErrnoException) =>
      reject(
        reason.code === 'EADDRINUSE'
          ? new HoldfastError('ADDRESS_IN_USE', {
              thing: `${address.host}:${address.port}`,
              why: 'another program listens there',
              remedy: 'end it, or choose another port by the setting listen.address',
              cause: reason,
            })
          : fromSystem(reason, `${address.host}:${address.port}`),
      ),
    );
    server.listen(address.port, address.host, resolve);
  });

  return {
    port: (server.address() as AddressInfo).port,
    use: (fresh) => server.setSecureContext(serverTlsOptions(fresh)),
    endMembers: () => {
      for (const socket of members) socket.destroy();
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.close();
      const late = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, LIMITS.farewell);
      await closed;
      clearTimeout(late);
    },
  };
};
