import type { Http2Server, ServerHttp2Session } from 'node:http2';
import type { Server } from '@grpc/grpc-js';

/** Sizes that make sense: below, a connection over a distance starves; above, one sender may fill too much memory. */
export const RECEIVE_WINDOW = { smallest: 64 * 1024, default: 16 * 1024 * 1024, largest: 64 * 1024 * 1024 } as const;

/** The part of the library's server that makes HTTP/2 servers. Private there. */
interface Maker {
  createHttp2Server?: (credentials: unknown) => Http2Server;
}

/**
 * Lets senders have `window` bytes on their way, per stream and per connection, instead of 64 KiB. The library has no option for the side
 * of the server (its `grpc-node.flow_control_window` is for clients; grpc-node pull request 3058), so this wraps the private method that
 * makes the HTTP/2 server. False when that method is no longer there: all works, slowly over a distance. Must be called before the server
 * takes connections. `prepare` gets each session, which the library keeps to itself.
 */
export const setReceiveWindow = (server: Server, window: number, prepare?: (session: ServerHttp2Session) => void): boolean => {
  const maker = server as unknown as Maker;
  const make = maker.createHttp2Server;
  if (typeof make !== 'function') return false;
  maker.createHttp2Server = (credentials) => {
    const http2Server = make.call(server, credentials);
    http2Server.updateSettings({ initialWindowSize: window });
    http2Server.on('session', (session: ServerHttp2Session) => {
      session.setLocalWindowSize(window);
      prepare?.(session);
    });
    return http2Server;
  };
  return true;
};
