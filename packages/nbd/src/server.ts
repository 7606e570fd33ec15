import net, { type Socket } from 'node:net';
import type { HoldfastError } from '@holdfast/errors';
import { type NbdAddress, nbdUri } from './address.ts';
import { createBufferPool } from './buffer-pool.ts';
import type { NbdExports } from './exports.ts';
import { listen } from './listen.ts';
import { type NbdErrorContext, type NbdLimits, type ServerConnection, serveConnection } from './server-connection.ts';

export interface NbdServerOptions {
  /** Looked up whenever a client asks, so it may change while the server runs. */
  readonly exports: NbdExports;
  readonly listen: NbdAddress;
  readonly limits?: NbdLimits;
  /** Called with every error of a device and with every client that was sent away. */
  readonly onError?: (error: HoldfastError, context: NbdErrorContext) => void;
}

/** An NBD server. Whoever can connect can use every export: listen on a Unix socket, on loopback, or on a protected network. */
export interface NbdServer {
  /** Where it listens; the port is the real one. */
  readonly address: NbdAddress;
  /** Clients connected now. */
  readonly connections: number;
  /** The URI of an export for other programs. */
  uri(name: string): string;
  /**
   * Stops listening, answers the requests under way, closes every connection and removes the Unix socket. Resolves when no device is
   * used any more; devices stay open.
   */
  close(): Promise<void>;
}

const DEFAULT_LIMITS: Required<NbdLimits> = {
  connections: 64,
  requests: 128,
  bytes: 32 * 1024 * 1024,
  handshakeMilliseconds: 30_000,
  closeMilliseconds: 5_000,
};
/** Memory kept for the next large requests. */
const POOL_BYTES = 32 * 1024 * 1024;
const KEEP_ALIVE_MILLISECONDS = 30_000;

/** Starts an NBD server (fixed newstyle, structured replies, `base:allocation`). Errors: ADDRESS_IN_USE, NO_PERMISSION. */
export const createNbdServer = async ({ exports, listen: wanted, limits, onError = () => {} }: NbdServerOptions): Promise<NbdServer> => {
  const connections = new Set<ServerConnection>();
  const pool = createBufferPool(POOL_BYTES);
  const allLimits = { ...DEFAULT_LIMITS, ...limits };
  // Half open: a client may say that it has no more requests and still wait for replies.
  const server = net.createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MILLISECONDS });
  server.maxConnections = allLimits.connections;
  server.on('connection', (socket: Socket) => {
    const connection = serveConnection({ socket, exports, pool, limits: allLimits, onError });
    connections.add(connection);
    void connection.closed.then(() => connections.delete(connection));
  });
  const address = await listen(server, wanted);
  const close = async (): Promise<void> => {
    const listening = new Promise<void>((resolve) => server.close(() => resolve()));
    const open = [...connections];
    for (const connection of open) connection.stop();
    await Promise.all([listening, ...open.map(({ closed }) => closed)]);
  };
  let closing: Promise<void> | undefined;
  return {
    address,
    get connections() {
      return connections.size;
    },
    uri: (name) => nbdUri(address, name),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
};
