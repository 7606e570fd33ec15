import { create, toBinary } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import { openRawClient } from '../conformance/raw-client.ts';
import { answerEach, openReplicationSite, type ReplicationSite } from '../conformance/replication-site.ts';
import { aborted, collect, holdCalls, openMessage, stillness } from '../conformance/streams.ts';
import { createTestAuthority, USAGES } from '../conformance/test-authority.ts';
import { ReplicateRequestSchema, ReplicateResponseSchema } from '../gen/holdfast/v1/replication_pb.ts';
import { newId } from '../id.ts';

const HOUR = 3_600_000;
const fenced = new HoldfastError('FENCED', { thing: 'machine a', why: 'another writer took over', remedy: 'ask it' });
const revoked = new HoldfastError('CERTIFICATE_REVOKED', { thing: 'agent a', why: 'it was removed', remedy: 'enrol it again' });

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
    const bytes = Buffer.from(toBinary(ReplicateRequestSchema, openMessage()));
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
    await first.send(openMessage());
    const ended = collect(first);
    const started = performance.now();
    await opened.server.disconnect(({ serial }) => serial === opened.agent.serial, revoked);
    expect(await ended).toMatchObject({ error: { code: 'CERTIFICATE_REVOKED', thing: 'agent a' } });
    expect(performance.now() - started).toBeLessThan(5000);
    await other.send(openMessage());
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
    open.length = 0;
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
      await stream.send(openMessage());
      stream.end();
      expect((await collect(stream)).messages).toHaveLength(1);
    }
  });
});
