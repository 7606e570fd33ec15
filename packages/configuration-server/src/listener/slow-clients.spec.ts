import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo, createServer as createLine, connect as dial, type Socket } from 'node:net';
import { endIdle } from './end-idle.ts';
import { keepAlive } from './keep-alive.ts';
import { requireWhole } from './require-whole.ts';

/** Long enough for a machine that is busy to answer in. */
const PATIENCE = 1000;
const MIB = 2 ** 20;
const POST = { ':method': 'POST', ':path': '/' };

describe('a client that takes its time', () => {
  let server: Http2Server;
  let session: ClientHttp2Session;
  const begin = async (prepare: (server: Http2Server) => void): Promise<void> => {
    server = createServer();
    prepare(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    session.on('error', () => undefined);
    await once(session, 'connect');
  };
  afterEach(async () => {
    session.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it('loses a call whose request does not come whole, and no other', async () => {
    await begin((it) =>
      it.on('request', (request, response) => {
        requireWhole(request, PATIENCE);
        request.resume();
        request.once('end', () => response.end('whole'));
      }),
    );
    const slow = session.request(POST);
    slow.on('error', () => undefined);
    slow.write('a part');
    const whole = session.request(POST);
    whole.end('all of it');
    expect(Buffer.concat(await whole.toArray()).toString()).toBe('whole');
    await once(slow, 'close');
    expect(session.closed).toBe(false);
  });

  it('keeps no connection on which it calls nothing, and keeps one with a call that lasts', async () => {
    const calls: { end(): void }[] = [];
    await begin((it) => {
      it.on('session', (one) => endIdle(one, PATIENCE));
      it.on('stream', (stream) => {
        stream.respond({ ':status': 200 });
        stream.on('error', () => undefined);
        calls.push(stream);
      });
    });
    const call = session.request(POST);
    call.resume();
    await once(call, 'response');
    await new Promise((resolve) => setTimeout(resolve, 2 * PATIENCE));
    expect(session.closed).toBe(false);
    calls[0]!.end();
    call.end();
    await once(session, 'close');
  });

  it('is given up when it does not answer, after it had time for what was written to it before', async () => {
    let ours: ServerHttp2Session | undefined;
    let call: ServerHttp2Stream | undefined;
    await begin((it) => {
      it.on('session', (one) => {
        ours = one.on('error', () => undefined);
      });
      it.on('stream', (stream) => {
        call = stream.on('error', () => undefined);
        stream.respond({ ':status': 200 });
      });
    });
    const port = (server.address() as AddressInfo).port;
    /** What the client says goes over this, and what it is told. */
    const sockets: Socket[] = [];
    const line = createLine((from) => {
      const to = dial(port, '127.0.0.1');
      sockets.push(from, to);
      for (const socket of [from, to]) socket.on('error', () => undefined);
      from.pipe(to).pipe(from);
    }).listen(0, '127.0.0.1');
    try {
      await once(line, 'listening');
      session.destroy();
      session = connect(`http://127.0.0.1:${(line.address() as AddressInfo).port}`, { settings: { initialWindowSize: 2 * MIB } });
      session.once('connect', () => session.setLocalWindowSize(2 * MIB));
      session.on('error', () => undefined);
      const request = session.request(POST);
      request.on('error', () => undefined).resume();
      await once(request, 'response');
      const [from, to] = sockets as [Socket, Socket];
      // Nothing it says arrives: as over a line that is busy with what was written before.
      from.unpipe(to).pause();
      call!.write(Buffer.alloc(MIB));
      // Not before: what was asked until then would be answered in vain.
      keepAlive(ours!, 100, 200);
      await new Promise((resolve) => setTimeout(resolve, PATIENCE));
      expect(ours!.destroyed).toBe(false);
      from.pipe(to);
      await new Promise<void>((resolve) => ours!.ping(() => resolve()));
      from.unpipe(to).pause();
      await once(ours!, 'close');
    } finally {
      for (const socket of sockets) socket.destroy();
      line.close();
    }
  });
});
