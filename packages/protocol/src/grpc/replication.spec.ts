import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { create, toBinary } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import { startDelayingProxy } from '../conformance/delaying-proxy.ts';
import { openRawClient } from '../conformance/raw-client.ts';
import { answerEach, openReplicationSite, type ReplicationSite } from '../conformance/replication-site.ts';
import { createTestAuthority, USAGES } from '../conformance/test-authority.ts';
import { type ReplicateRequest, ReplicateRequestSchema, ReplicateResponseSchema } from '../gen/holdfast/v1/replication_pb.ts';
import { newId } from '../id.ts';
import { serverTlsOptions } from '../identity/tls-options.ts';
import { LARGEST_MESSAGE } from './codec.ts';
import { encodeFrames } from './frames-payload.ts';
import type { ReplicationCall } from './replication.ts';

const HOUR = 3_600_000;

const open = (): ReplicateRequest => create(ReplicateRequestSchema, { message: { case: 'open', value: { protocolVersion: 1 } } });
const credit = (bytes: bigint) => create(ReplicateResponseSchema, { message: { case: 'credit', value: { bytes } } });

const fenced = new HoldfastError('FENCED', { thing: 'machine a', why: 'another writer took over', remedy: 'ask it' });
const revoked = new HoldfastError('CERTIFICATE_REVOKED', { thing: 'agent a', why: 'it was removed', remedy: 'enrol it again' });

/** All that comes, and the error at the end where there is one. */
const collect = async <T>(stream: AsyncIterable<T>): Promise<{ messages: T[]; error?: unknown }> => {
  const messages: T[] = [];
  try {
    for await (const message of stream) messages.push(message);
    return { messages };
  } catch (error) {
    return { messages, error };
  }
};

const aborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
  });

/** Waits until a number stays the same. */
const stillness = async (read: () => number): Promise<void> => {
  for (let before = -1; before !== read(); ) {
    before = read();
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
};

const sites: { close(): Promise<void> }[] = [];
const site = async (...options: Parameters<typeof openReplicationSite>): Promise<ReplicationSite> => {
  const opened = await openReplicationSite(...options);
  sites.push(opened);
  return opened;
};

const raw = (...parameters: Parameters<typeof openRawClient>) => {
  const client = openRawClient(...parameters);
  sites.unshift({ close: async () => client.close() });
  return client;
};

/** The call that `serve` got, and a promise of it to settle. */
const holdCalls = () => {
  const arrived = Promise.withResolvers<ReplicationCall>();
  const result = Promise.withResolvers<void>();
  const serve = (call: ReplicationCall): Promise<void> => {
    arrived.resolve(call);
    return result.promise;
  };
  return { serve, call: arrived.promise, result };
};

afterEach(async () => {
  await Promise.all(sites.splice(0).map((opened) => opened.close()));
});

describe('a replication stream', () => {
  it('carries messages both ways in order and ends well on both sides', async () => {
    const received: ReplicateRequest[] = [];
    const ended = Promise.withResolvers<unknown>();
    const { connect, agent } = await site({
      serve: async (call) => {
        expect(call.peer).toMatchObject({ identity: { role: 'agent' }, serial: agent.serial });
        for await (const message of call) {
          received.push(message);
          await call.send(credit(BigInt(received.length)));
        }
        void aborted(call.closed).then(ended.resolve);
      },
    });
    const stream = await connect();
    await stream.send(open());
    for (let i = 0; i < 50; i++) await stream.sendFrames(0, i, [Buffer.from(`frame ${i}`)]);
    stream.end();
    const { messages, error } = await collect(stream);
    expect(error).toBeUndefined();
    expect(messages.map(({ message }) => message.value)).toEqual(
      Array.from({ length: 51 }, (_, i) => expect.objectContaining({ bytes: BigInt(i + 1) })),
    );
    expect(received[0]).toEqual(open());
    expect(received.slice(1).map(({ message }) => message.case === 'frames' && Number(message.value.firstFrame))).toEqual(
      Array.from({ length: 50 }, (_, i) => i),
    );
    expect(await aborted(stream.closed)).toBeNull();
    expect(await ended.promise).toBeNull();
  });

  it('tells the client the error of the server, behind what was sent before', async () => {
    const { connect, problems } = await site({
      serve: async (call) => {
        await call.send(credit(7n));
        throw fenced;
      },
    });
    const stream = await connect();
    const { messages, error } = await collect(stream);
    expect(messages).toEqual([credit(7n)]);
    expect(error).toMatchObject({ code: 'FENCED', thing: 'machine a', why: 'another writer took over', remedy: 'ask it' });
    expect(await aborted(stream.closed)).toBe(error);
    await expect(stream.send(open())).rejects.toMatchObject({ code: 'FENCED' });
    expect(problems).toEqual([fenced]);
  });

  it('tells of a defect of the server as INTERNAL, without its stack', async () => {
    const { connect } = await site({ serve: () => Promise.reject(new TypeError('x is not a function')) });
    const { error } = await collect(await connect());
    expect(error).toMatchObject({ code: 'INTERNAL', why: 'x is not a function' });
  });

  it('shows the server that a client went away', async () => {
    const { serve, call, result } = holdCalls();
    const { connect, agent } = await site({ serve });
    const stream = await connect();
    const there = await call;
    stream.abort(fenced);
    expect((await collect(stream)).error).toBe(fenced);
    const { error } = await collect(there);
    expect(error).toMatchObject({ code: 'CONNECTION_LOST', thing: expect.stringContaining(there.peer.identity.id) });
    expect(await aborted(there.closed)).toBe(error);
    await expect(there.send(credit(1n))).rejects.toBe(error);
    expect(agent.serial).toBe(there.peer.serial);
    result.resolve();
  });

  it('tells both sides when the connection breaks', async () => {
    const seen = Promise.withResolvers<unknown[]>();
    const { connect, server } = await site({
      serve: async (call) => {
        const messages: unknown[] = [];
        try {
          for await (const message of call) {
            messages.push(message);
            await call.send(credit(1n));
          }
        } catch (error) {
          messages.push(error);
        }
        seen.resolve(messages);
      },
    });
    const proxy = await startDelayingProxy(server.port, 0);
    sites.push(proxy);
    const stream = await connect(undefined, { address: `127.0.0.1:${proxy.port}` });
    await stream.send(open());
    const answers = stream[Symbol.asyncIterator]();
    expect(await answers.next()).toEqual({ value: credit(1n), done: false });
    proxy.cut();
    await expect(answers.next()).rejects.toMatchObject({ code: 'CONNECTION_LOST', retryable: true });
    expect(await seen.promise).toEqual([open(), expect.objectContaining({ code: 'CONNECTION_LOST' })]);
  });

  it('holds a sender whose messages nobody takes, and lets it go on when somebody does', async () => {
    const { serve, call, result } = holdCalls();
    const { connect } = await site({ serve, receiveWindow: 64 * 1024 });
    const stream = await connect();
    const frame = Buffer.alloc(512 * 1024);
    const total = 200;
    let sent = 0;
    const sending = (async () => {
      for (; sent < total; sent++) await stream.sendFrames(0, sent, [frame]);
      stream.end();
    })();
    const there = await call;
    const messages = there[Symbol.asyncIterator]();
    await messages.next();
    // The buffers of both sides fill up: then nothing moves for a while.
    await stillness(() => sent);
    expect(sent).toBeLessThan(total / 2);
    let taken = 1;
    for (let next = await messages.next(); next.done !== true; next = await messages.next()) taken += 1;
    await sending;
    expect(taken).toBe(total);
    result.resolve();
  });

  it('sends nothing after its end', async () => {
    const { connect } = await site();
    const stream = await connect();
    stream.end();
    await expect(stream.send(open())).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await collect(stream);
  });
});

describe('messages that must not be', () => {
  it('are not sent: above the limit', async () => {
    const { connect } = await site();
    const stream = await connect();
    await expect(stream.sendFrames(0, 0, [Buffer.alloc(LARGEST_MESSAGE)])).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' });
    await stream.send(open());
    stream.end();
    expect((await collect(stream)).messages).toHaveLength(1);
  });

  it.each<[string, Buffer]>([
    ['unreadable', Buffer.from('1aff', 'hex')],
    ['of a kind of a later version', Buffer.from('9a0600', 'hex')],
  ])('end the call by name on both sides: %s', async (_what, bytes) => {
    const opened = await site();
    const { error } = await raw(opened).send(bytes);
    expect(error).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
    expect(opened.problems).toMatchObject([{ code: 'PROTOCOL_VIOLATION' }]);
  });

  it.each<[string, number]>([
    ['a little', LARGEST_MESSAGE],
    ['far', 9 * 1024 * 1024],
  ])('end the call by name: %s above the limit', async (_what, size) => {
    const opened = await site({ receiveWindow: 16 * 1024 * 1024 });
    const { error } = await raw(opened).send(encodeFrames(0, 0, Buffer.alloc(size)));
    expect(error).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
    // Other calls go on.
    const stream = await opened.connect();
    await stream.send(open());
    stream.end();
    expect((await collect(stream)).messages).toHaveLength(1);
  });
});

describe('who may come in', () => {
  it.each<[string, string, (site: ReplicationSite) => Promise<Parameters<ReplicationSite['connect']>[0]>]>([
    ['a process server', 'IDENTITY_MISMATCH', ({ authority }) => authority.issue({ role: 'process-server', id: newId() })],
    [
      'an expired certificate',
      'CERTIFICATE_EXPIRED',
      ({ authority }) => authority.issue({ role: 'agent', id: newId() }, { notAfter: new Date(Date.now() - HOUR / 60) }),
    ],
    [
      'a certificate of tomorrow',
      'CERTIFICATE_EXPIRED',
      ({ authority }) =>
        authority.issue(
          { role: 'agent', id: newId() },
          { notBefore: new Date(Date.now() + HOUR), notAfter: new Date(Date.now() + 2 * HOUR) },
        ),
    ],
    [
      'a certificate for servers',
      'CERTIFICATE_UNTRUSTED',
      ({ authority }) => authority.issue({ role: 'agent', id: newId() }, { usages: [USAGES.server] }),
    ],
    [
      'a certificate without identity',
      'IDENTITY_MISMATCH',
      ({ authority }) => authority.issue({ role: 'agent', id: newId() }, { names: [{ type: 'dns', value: 'a' }] }),
    ],
    [
      'a certificate of another installation',
      'CERTIFICATE_UNTRUSTED',
      async ({ authority }) => {
        const foreign = await (await createTestAuthority()).issue({ role: 'agent', id: newId() });
        return { ...foreign, authorities: authority.certificate };
      },
    ],
  ])('not %s: both sides are told why', async (_what, code, credentials) => {
    const serve = jest.fn(answerEach);
    const opened = await site({ serve });
    await expect(opened.connect(await credentials(opened))).rejects.toMatchObject({ code });
    expect(serve).not.toHaveBeenCalled();
    expect(opened.problems).toMatchObject([{ code }]);
  });

  it('nobody whom `admit` refuses', async () => {
    const { connect } = await site({
      admit: () => {
        throw revoked;
      },
    });
    await expect(connect()).rejects.toMatchObject({ code: 'CERTIFICATE_REVOKED', why: 'it was removed' });
  });

  it('nobody whose certificate has expired since the connection came up', async () => {
    const opened = await site();
    const client = raw(opened);
    const bytes = Buffer.from(toBinary(ReplicateRequestSchema, open()));
    expect(await client.send(bytes)).toEqual({});
    const tomorrow = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 24 * HOUR);
    try {
      expect(await client.send(bytes)).toMatchObject({ error: { code: 'CERTIFICATE_EXPIRED' } });
    } finally {
      tomorrow.mockRestore();
    }
  });

  it('and a refused connection is cut, even when its client would keep it', async () => {
    const opened = await site();
    const expired = await opened.authority.issue({ role: 'agent', id: newId() }, { notAfter: new Date(Date.now() - 1000) });
    expect(await raw(opened, expired).send(Buffer.alloc(1))).toMatchObject({ error: { code: 'CERTIFICATE_EXPIRED' } });
    expect(opened.server.connections).toBe(1);
    while (opened.server.connections > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  });
});

describe('disconnect', () => {
  it('ends streams and connections of one peer, telling why, and leaves the others', async () => {
    const opened = await site();
    const second = await opened.authority.issue({ role: 'agent', id: newId() });
    const [first, other] = await Promise.all([opened.connect(), opened.connect(second)]);
    await first.send(open());
    const ended = collect(first);
    const started = performance.now();
    await opened.server.disconnect(({ serial }) => serial === opened.agent.serial, revoked);
    expect(await ended).toMatchObject({ error: { code: 'CERTIFICATE_REVOKED', thing: 'agent a' } });
    expect(performance.now() - started).toBeLessThan(5000);
    await other.send(open());
    other.end();
    expect((await collect(other)).messages).toHaveLength(1);
  });

  it('ends a stream whose client takes nothing and whose handler waits for room', async () => {
    const { serve, call } = holdCalls();
    const opened = await site({ serve, receiveWindow: 64 * 1024 });
    const stream = await opened.connect();
    const there = await call;
    let sent = 0;
    const words = create(ReplicateResponseSchema, { message: { case: 'pace', value: { reason: 'x'.repeat(100_000) } } });
    const sending = (async () => {
      for (; sent < 1000; sent++) await there.send(words);
    })();
    const failed = expect(sending).rejects.toMatchObject({ code: 'CERTIFICATE_REVOKED' });
    await stillness(() => sent);
    expect(sent).toBeLessThan(1000);
    await opened.server.disconnect(() => true, revoked);
    await failed;
    expect(opened.server.connections).toBe(0);
    expect(await aborted(stream.closed)).toMatchObject({ code: 'CONNECTION_LOST' });
  });
});

describe('the server', () => {
  it('tells its clients when it stops, and stops', async () => {
    const opened = await site();
    const stream = await opened.connect();
    const ended = collect(stream);
    await opened.server.close();
    expect((await ended).error).toMatchObject({ code: 'CONNECTION_LOST', why: 'the server stops' });
    await expect(opened.connect()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    sites.length = 0;
  });

  it('names the place that is taken', async () => {
    const { server } = await site();
    await expect(openReplicationSite({ port: server.port })).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      thing: `127.0.0.1:${server.port}`,
    });
  });

  it('shows renewed credentials to new connections and keeps the live ones', async () => {
    const authority = await createTestAuthority();
    const id = newId();
    let current = await authority.issue({ role: 'process-server', id });
    const opened = await site({ credentials: { current: () => current } });
    const agent = await authority.issue({ role: 'agent', id: newId() });
    const connect = (serverId: string) => opened.connect(agent, { expect: { role: 'process-server', id: serverId } });
    const before = await connect(id);
    const renewed = newId();
    current = await authority.issue({ role: 'process-server', id: renewed });
    await connect(id).then((stream) => stream.abort(fenced));
    opened.server.refreshCredentials();
    await expect(connect(id)).rejects.toMatchObject({ code: 'IDENTITY_MISMATCH' });
    const after = await connect(renewed);
    for (const stream of [before, after]) {
      await stream.send(open());
      stream.end();
      expect((await collect(stream)).messages).toHaveLength(1);
    }
  });
});

describe('a client names what is wrong', () => {
  const listening: TcpServer[] = [];
  const listen = async (server: TcpServer): Promise<string> => {
    listening.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  afterEach(() => {
    for (const server of listening.splice(0)) server.close();
  });

  it('nobody listens', async () => {
    const address = await listen(createTcpServer());
    await new Promise((resolve) => listening.pop()!.close(resolve));
    const { connect } = await site();
    await expect(connect(undefined, { address })).rejects.toMatchObject({ code: 'CONNECTION_LOST', thing: `server ${address}` });
  });

  it('another program answers', async () => {
    const { connect } = await site();
    const address = await listen(createTcpServer((socket) => socket.on('error', () => undefined).end('220 mail.example ESMTP\r\n')));
    await expect(connect(undefined, { address })).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('nobody answers in time', async () => {
    const { connect } = await site();
    const sockets: Socket[] = [];
    const address = await listen(createTcpServer((socket) => void sockets.push(socket)));
    await expect(connect(undefined, { address, timeout: 300 })).rejects.toMatchObject({ code: 'TIMED_OUT' });
    for (const socket of sockets) socket.destroy();
  });

  it('a server of ours that does not speak HTTP/2', async () => {
    const opened = await site();
    const own = await opened.authority.issue({ role: 'process-server', id: opened.serverId });
    const address = await listen(
      createTlsServer(serverTlsOptions(own), (socket) => socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    );
    await expect(opened.connect(undefined, { address })).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('another server than the one that is meant, or of another installation', async () => {
    const opened = await site();
    await expect(opened.connect(undefined, { expect: { role: 'process-server', id: newId() } })).rejects.toMatchObject({
      code: 'IDENTITY_MISMATCH',
    });
    await expect(opened.connect(undefined, { expect: { role: 'master-target' } })).rejects.toMatchObject({ code: 'IDENTITY_MISMATCH' });
    const foreign = await site();
    await expect(opened.connect({ ...opened.agent, authorities: foreign.authority.certificate })).rejects.toMatchObject({
      code: 'CERTIFICATE_UNTRUSTED',
    });
  });
});
