import { HoldfastError } from '@holdfast/errors';
import { startDelayingProxy } from '../conformance/delaying-proxy.ts';
import { openRawClient } from '../conformance/raw-client.ts';
import { openReplicationSite, type ReplicationSite } from '../conformance/replication-site.ts';
import { aborted, collect, creditMessage, holdCalls, openMessage, stillness } from '../conformance/streams.ts';
import type { ReplicateRequest } from '../gen/holdfast/v1/replication_pb.ts';
import { LARGEST_MESSAGE } from './codec.ts';
import { encodeFrames } from './frames-payload.ts';

const fenced = new HoldfastError('FENCED', { thing: 'machine a', why: 'another writer took over', remedy: 'ask it' });

const open: { close(): Promise<void> }[] = [];
const site = async (...options: Parameters<typeof openReplicationSite>): Promise<ReplicationSite> => {
  const opened = await openReplicationSite(...options);
  open.push(opened);
  return opened;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((opened) => opened.close()));
});

const raw = (...parameters: Parameters<typeof openRawClient>) => {
  const client = openRawClient(...parameters);
  open.unshift({ close: async () => client.close() });
  return client;
};
describe('a replication stream', () => {
  it('carries messages both ways in order and ends well on both sides', async () => {
    const received: ReplicateRequest[] = [];
    const ended = Promise.withResolvers<unknown>();
    const { connect, agent } = await site({
      serve: async (call) => {
        expect(call.peer).toMatchObject({ identity: { role: 'agent' }, serial: agent.serial });
        for await (const message of call) {
          received.push(message);
          await call.send(creditMessage(BigInt(received.length)));
        }
        void aborted(call.closed).then(ended.resolve);
      },
    });
    const stream = await connect();
    await stream.send(openMessage());
    for (let i = 0; i < 50; i++) await stream.sendFrames(0, i, [Buffer.from(`frame ${i}`)]);
    stream.end();
    const { messages, error } = await collect(stream);
    expect(error).toBeUndefined();
    expect(messages.map(({ message }) => message.value)).toEqual(
      Array.from({ length: 51 }, (_, i) => expect.objectContaining({ bytes: BigInt(i + 1) })),
    );
    expect(received[0]).toEqual(openMessage());
    expect(received.slice(1).map(({ message }) => message.case === 'frames' && Number(message.value.firstFrame))).toEqual(
      Array.from({ length: 50 }, (_, i) => i),
    );
    expect(await aborted(stream.closed)).toBeNull();
    expect(await ended.promise).toBeNull();
  });

  it('tells the client the error of the server, behind what was sent before', async () => {
    const { connect, problems } = await site({
      serve: async (call) => {
        await call.send(creditMessage(7n));
        throw fenced;
      },
    });
    const stream = await connect();
    const { messages, error } = await collect(stream);
    expect(messages).toEqual([creditMessage(7n)]);
    expect(error).toMatchObject({ code: 'FENCED', thing: 'machine a', why: 'another writer took over', remedy: 'ask it' });
    expect(await aborted(stream.closed)).toBe(error);
    await expect(stream.send(openMessage())).rejects.toMatchObject({ code: 'FENCED' });
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
    await expect(there.send(creditMessage(1n))).rejects.toBe(error);
    expect(agent.serial).toBe(there.peer.serial);
    result.resolve();
  });

  it('tells both sides when nothing comes through any more, without a word from the network', async () => {
    const { serve, call, result } = holdCalls();
    const keepalive = { interval: 500, answer: 2000 };
    const { connect, server } = await site({ serve, keepalive });
    const proxy = await startDelayingProxy(server.port, 0);
    open.push(proxy);
    const stream = await connect(undefined, { address: `127.0.0.1:${proxy.port}`, keepalive });
    const there = await call;
    proxy.swallow();
    for (const side of [collect(stream), collect(there)])
      expect(await side).toMatchObject({ messages: [], error: { code: 'CONNECTION_LOST' } });
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
            await call.send(creditMessage(1n));
          }
        } catch (error) {
          messages.push(error);
        }
        seen.resolve(messages);
      },
    });
    const proxy = await startDelayingProxy(server.port, 0);
    open.push(proxy);
    const stream = await connect(undefined, { address: `127.0.0.1:${proxy.port}` });
    await stream.send(openMessage());
    const answers = stream[Symbol.asyncIterator]();
    expect(await answers.next()).toEqual({ value: creditMessage(1n), done: false });
    proxy.cut();
    await expect(answers.next()).rejects.toMatchObject({ code: 'CONNECTION_LOST', retryable: true });
    expect(await seen.promise).toEqual([openMessage(), expect.objectContaining({ code: 'CONNECTION_LOST' })]);
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
    await expect(stream.send(openMessage())).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await collect(stream);
  });
});

describe('messages that must not be', () => {
  it('are not sent: above the limit', async () => {
    const { connect } = await site();
    const stream = await connect();
    await expect(stream.sendFrames(0, 0, [Buffer.alloc(LARGEST_MESSAGE)])).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' });
    await stream.send(openMessage());
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
    await stream.send(openMessage());
    stream.end();
    expect((await collect(stream)).messages).toHaveLength(1);
  });
});
