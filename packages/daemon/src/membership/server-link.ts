import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { type Client, createClient } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import { ControlService, connectionError, EnrolmentService } from '@holdfast/protocol';
import { type Address, formatAddress } from '../settings/kinds.ts';

/** One connection to the configuration server. When it breaks, its calls fail; nothing is connected again behind their back. */
export interface ServerLink {
  readonly enrolment: Client<typeof EnrolmentService>;
  readonly control: Client<typeof ControlService>;
  /** Ends the connection and what runs on it. */
  close(): void;
}

export interface ServerLinkOptions {
  readonly server: Address;
  /** Certificates of this side, and what it trusts. */
  readonly secure: ConnectionOptions;
  /** Looks at the other side once TLS is up, before anything is sent; throws when it is not the one that is meant. */
  readonly check: (socket: TLSSocket) => void;
  /** Milliseconds of silence after which a sign of life is asked for, and within which it must come; 20 s and 10 s unless told. */
  readonly silence?: { readonly pingIntervalMs: number; readonly pingTimeoutMs: number };
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds until TLS must be up. */
const PATIENCE = 10_000;
const SILENCE = { pingIntervalMs: 20_000, pingTimeoutMs: 10_000 };
const LARGEST_MESSAGE = 4 * 1024 * 1024;

/** What the configuration server is called in errors. */
export const serverThing = (server: Address): string => `configuration server ${formatAddress(server)}`;

const connectSecurely = ({ server, secure, check, signal }: ServerLinkOptions): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const thing = serverThing(server);
    // Names are sent for servers behind a proxy; an address is no name.
    const servername = /^[\d.]+$|:/.test(server.host) ? '' : server.host;
    const socket = connect({
      ...secure,
      host: server.host,
      port: server.port,
      servername,
      minVersion: 'TLSv1.3',
      ALPNProtocols: ['h2'],
      // `check` decides; it can name what is wrong.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    });
    const fail = (reason: unknown): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', interrupt);
      reject(connectionError(reason, thing));
      socket.destroy();
    };
    const interrupt = (): void => fail(signal?.reason);
    const timer = setTimeout(() => {
      const remedy = 'check the address, and that no firewall swallows what is sent there';
      fail(new HoldfastError('TIMED_OUT', { thing, why: `no TLS connection within ${PATIENCE / 1000} s`, remedy }));
    }, PATIENCE);
    // Stays for the life of the socket: an error of a socket that is gone already would end the process.
    socket.on('error', fail);
    socket.once('close', () => fail(new Error('the connection was closed during the TLS handshake')));
    socket.once('secureConnect', () => {
      try {
        check(socket);
        if (socket.alpnProtocol !== 'h2') throw new Error('it does not speak HTTP/2');
      } catch (reason) {
        return fail(reason);
      }
      clearTimeout(timer);
      signal?.removeEventListener('abort', interrupt);
      resolve(socket);
    });
    if (signal?.aborted === true) interrupt();
    else signal?.addEventListener('abort', interrupt, { once: true });
  });

/**
 * Connects to the configuration server. Rejects with the error of `check`, CONNECTION_LOST or TIMED_OUT. The network library is loaded here,
 * so that programs which are no members do without it.
 */
export const openServerLink = async (options: ServerLinkOptions): Promise<ServerLink> => {
  const { createGrpcTransport, Http2SessionManager } = await import('@connectrpc/connect-node');
  const socket = await connectSecurely(options);
  const baseUrl = `https://${formatAddress(options.server)}`;
  let taken = false;
  const sessionManager = new Http2SessionManager(baseUrl, options.silence ?? SILENCE, {
    createConnection: () => {
      // The library would connect anew when the session ends; its peer would not have been looked at.
      if (taken) throw new Error('the connection was lost');
      taken = true;
      return socket;
    },
  });
  const transport = createGrpcTransport({ baseUrl, sessionManager, readMaxBytes: LARGEST_MESSAGE, writeMaxBytes: LARGEST_MESSAGE });
  return {
    enrolment: createClient(EnrolmentService, transport),
    control: createClient(ControlService, transport),
    close() {
      socket.destroy();
      // A session that is being destroyed, because nothing came for long, has still to say so; the library stops listening at once when it is told to
      // end then, and what nobody listens to would end the process.
      setImmediate(() => sessionManager.abort());
    },
  };
};
