import type { AddressInfo, Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { CredentialSource } from '../identity/credentials.ts';
import { type Peer, peerOfSocket } from '../identity/peer.ts';
import { serverTlsOptions } from '../identity/tls-options.ts';

/** Who is at the other end of a connection, or why it is not let in. */
export type Visitor = { readonly peer: Peer } | { readonly refusal: HoldfastError };

/** A listener for mutual TLS that knows the live connections of each peer. */
export interface SecureConnections {
  readonly port: number;
  readonly size: number;
  /** Who came from `remote`, "address:port". */
  visitor(remote: string): Visitor | undefined;
  /** Gives the peers for which `match` is true so many milliseconds to close their connections, then cuts what is left. */
  drain(match: (peer: Peer) => boolean, patience: number): Promise<void>;
  refreshCredentials(): void;
  /** Takes no more connections; those that live stay. */
  stopListening(): void;
  /** Cuts all that is left. */
  close(): Promise<void>;
}

export interface SecureConnectionsOptions {
  readonly host: string;
  readonly port: number;
  readonly credentials: CredentialSource;
  /** Takes over a connection that speaks HTTP/2. One that is refused comes as well, to be told why; it is cut soon. */
  accept(socket: TLSSocket): void;
  /** Milliseconds a visitor has for the TLS handshake; default 10 s. */
  readonly handshake?: number;
}

/** Connections at a time; each agent has one. */
const MOST = 4096;
const HANDSHAKE = 10_000;
/** Milliseconds a refused visitor has to learn why. */
const FAREWELL = 2000;

const remoteOf = ({ remoteAddress, remotePort }: TLSSocket): string => `${remoteAddress}:${remotePort}`;

const visitorOf = (socket: TLSSocket): Visitor => {
  try {
    const peer = peerOfSocket(socket);
    if (peer !== undefined) return { peer };
    throw new HoldfastError('CERTIFICATE_UNTRUSTED', {
      thing: `client ${socket.remoteAddress}`,
      why: 'it showed no certificate',
      remedy: 'connect with the certificate that enrolment gave',
    });
  } catch (error) {
    return { refusal: fromSystem(error, `client ${socket.remoteAddress}`, 'CERTIFICATE_UNTRUSTED') };
  }
};

/** Starts listening; rejects with ADDRESS_IN_USE when the place is taken. */
export const listenSecurely = async ({
  host,
  port,
  credentials,
  accept,
  handshake = HANDSHAKE,
}: SecureConnectionsOptions): Promise<SecureConnections> => {
  const live = new Map<TLSSocket, Visitor>();
  const server = createServer({ ...serverTlsOptions(credentials.current()), ALPNProtocols: ['h2'], handshakeTimeout: handshake });
  server.maxConnections = MOST;
  /** With those whose handshake is not over. */
  const plain = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    plain.add(socket);
    socket.once('close', () => plain.delete(socket));
  });
  // Without this, who connects and says nothing stays for ever.
  server.on('tlsClientError', (_reason, socket) => socket.destroy());
  server.on('secureConnection', (socket) => {
    socket.on('error', () => undefined);
    if (socket.alpnProtocol !== 'h2' || socket.remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    const visitor = visitorOf(socket);
    live.set(socket, visitor);
    socket.once('close', () => live.delete(socket));
    if ('refusal' in visitor) setTimeout(() => socket.destroy(), FAREWELL).unref();
    accept(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (reason: NodeJS.ErrnoException) => {
      const place = `${host}:${port}`;
      if (reason.code !== 'EADDRINUSE') return reject(fromSystem(reason, place));
      return reject(
        new HoldfastError('ADDRESS_IN_USE', {
          thing: place,
          why: 'another program listens there',
          remedy: 'end it, or choose another port',
          cause: reason,
        }),
      );
    });
    server.listen(port, host, resolve);
  });
  const closed = new Promise<void>((resolve) => server.once('close', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    get size() {
      return live.size;
    },
    visitor: (remote) => [...live].find(([socket]) => remoteOf(socket) === remote)?.[1],
    async drain(match, patience) {
      const sockets = [...live].filter(([, visitor]) => 'peer' in visitor && match(visitor.peer)).map(([socket]) => socket);
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, patience);
      // Not `once` of node:events: that rejects when the connection ends with an error, which is an end like any other here.
      await Promise.all(sockets.map((socket) => socket.destroyed || new Promise((gone) => socket.once('close', gone))));
      clearTimeout(timer);
    },
    refreshCredentials: () => server.setSecureContext(serverTlsOptions(credentials.current())),
    stopListening: () => void server.close(),
    async close() {
      if (server.listening) server.close();
      for (const socket of [...live.keys(), ...plain]) socket.destroy();
      await closed;
    },
  };
};
