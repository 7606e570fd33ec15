import { connect, type Http2Server } from 'node:http2';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { openReplicationSite } from '../conformance/replication-site.ts';
import { setReceiveWindow } from './receive-window.ts';

const WINDOW = 5 * 1024 * 1024;

/** What a client is told about the windows of a server, by its HTTP/2 settings and as its session counts. */
const windowsOf = async (server: Server): Promise<{ stream: number | undefined; connection: number | undefined }> => {
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const client = connect(`http://127.0.0.1:${port}`);
  try {
    const stream = await new Promise<number | undefined>((resolve) =>
      client.once('remoteSettings', ({ initialWindowSize }) => resolve(initialWindowSize)),
    );
    // The window of the connection is told behind the settings.
    await new Promise((resolve) => client.ping(resolve));
    return { stream, connection: client.state.remoteWindowSize };
  } finally {
    client.destroy();
    server.forceShutdown();
  }
};

describe('setReceiveWindow', () => {
  it('raises the window of streams and of the connection', async () => {
    const server = new Server();
    expect(setReceiveWindow(server, WINDOW)).toBe(true);
    expect(await windowsOf(server)).toEqual({ stream: WINDOW, connection: WINDOW });
  });

  it('is needed: the library itself leaves 64 KiB', async () => {
    const { stream, connection } = await windowsOf(new Server({ 'grpc-node.flow_control_window': WINDOW }));
    expect([stream ?? 65_535, connection]).toEqual([65_535, 65_535]);
  });

  it('says so when the library no longer has what it wraps', () => {
    expect(setReceiveWindow({} as Server, WINDOW)).toBe(false);
    expect(setReceiveWindow({ createHttp2Server: 'moved' } as unknown as Server, WINDOW)).toBe(false);
  });

  it('is told to the program when it could not be set, and streams work all the same', async () => {
    const prototype = Server.prototype as unknown as { createHttp2Server: unknown };
    const method = prototype.createHttp2Server as (credentials: unknown) => Http2Server;
    // The method lives on under another name, as after a change of the library.
    const injector = Server.prototype.createConnectionInjector;
    const spy = jest.spyOn(Server.prototype, 'createConnectionInjector').mockImplementation(function (this: Server, credentials) {
      prototype.createHttp2Server = method;
      return injector.call(this, credentials);
    });
    prototype.createHttp2Server = undefined;
    try {
      const site = await openReplicationSite();
      expect(site.problems).toMatchObject([{ code: 'UNSUPPORTED_OPERATION', thing: 'the receive window' }]);
      const stream = await site.connect();
      stream.end();
      for await (const _message of stream) throw new Error('nothing was sent');
      await site.close();
    } finally {
      prototype.createHttp2Server = method;
      spy.mockRestore();
    }
  });
});
