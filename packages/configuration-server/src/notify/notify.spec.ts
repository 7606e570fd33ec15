import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HoldfastError } from '@holdfast/errors';
import { createTestAuthority } from '@holdfast/protocol/conformance';
import { SMTPServer } from 'smtp-server';
import { createMemoryStore } from '../state/memory-store.ts';
import type { StateStore, StoredEvent } from '../state/state-store.ts';
import { type Carrier, runCourier } from './courier.ts';
import { createEmail } from './email.ts';
import { createWebhook } from './webhook.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent } as never;
/** What has to be closed after a test, however it ended. */
const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

const QUICK = { gather: 20, first: 5, longest: 20 };

const event = (text: string, severity: StoredEvent['severity'] = 'warning', code = 'rpo-exceeded') => ({
  at: Date.UTC(2026, 10, 22),
  severity,
  code,
  text,
  subject: 'a'.repeat(32),
  actor: 'test',
});

const newStore = (changes = 1000): StateStore => createMemoryStore({ events: 1000, audit: 10, changes });

/** Runs a courier that hands to `carry`, until it is stopped. */
const start = (store: StateStore, carry: Carrier['carry'], minimum: StoredEvent['severity'] = 'warning') => {
  const stop = new AbortController();
  let look: () => unknown = () => undefined;
  const health = {
    check: (_: string, check: () => unknown) => {
      look = check;
      return () => undefined;
    },
  } as never;
  open.push(() => stop.abort());
  const ended = runCourier({ store, carrier: { name: 'test', carry }, minimum, log: silent, health, waits: QUICK }, stop.signal);
  return {
    problem: () => look(),
    async end() {
      stop.abort();
      await ended;
    },
  };
};

const until = async (fits: () => boolean): Promise<void> => {
  while (!fits()) await new Promise((resolve) => setTimeout(resolve, 2));
};

describe('a courier', () => {
  it('carries what is grave enough and what is over, in order, once, from its first start on', async () => {
    const store = newStore();
    await store.commit({ events: [event('before')] });
    const carried: string[][] = [];
    const courier = start(store, async (events) => void carried.push(events.map(({ text }) => text)));
    await until(() => store.revision() > 1);
    await store.commit({ events: [event('one'), event('small', 'information'), event('two', 'critical')] });
    await store.commit({ events: [event('over', 'information', 'rpo-exceeded-over')] });
    await until(() => carried.flat().length === 3);
    expect(carried.flat()).toEqual(['one', 'two', 'over']);
    await courier.end();
    await store.commit({ events: [event('while it was away')] });
    const again = start(store, async (events) => void carried.push(events.map(({ text }) => text)));
    await until(() => carried.flat().length === 4);
    expect(carried.flat()).toEqual(['one', 'two', 'over', 'while it was away']);
    await again.end();
  });

  it('tries again until it is taken, and tells health meanwhile', async () => {
    const store = newStore();
    let tries = 0;
    let isOpen = false;
    const carried: string[] = [];
    const courier = start(store, async (events) => {
      tries += 1;
      if (!isOpen) throw new Error('no route');
      carried.push(...events.map(({ text }) => text));
    });
    await until(() => store.revision() > 0);
    await store.commit({ events: [event('kept')] });
    await until(() => tries > 2);
    expect(courier.problem()).toContain('no route');
    isOpen = true;
    await until(() => carried.length > 0);
    expect(carried).toEqual(['kept']);
    await until(() => courier.problem() === undefined);
    await courier.end();
  });

  it('is not held up by an event that nobody takes, and tells that it was not told', async () => {
    const store = newStore();
    const carried: string[] = [];
    const courier = start(store, async (events) => {
      if (events.some(({ text }) => text === 'poison'))
        throw new HoldfastError('REQUEST_INVALID', { thing: 'it', why: 'it is poison', remedy: 'none' });
      carried.push(...events.map(({ text }) => text));
    });
    await until(() => store.revision() > 0);
    await store.commit({ events: [event('one'), event('poison'), event('two')] });
    await until(() => carried.length === 2);
    expect(carried).toEqual(['one', 'two']);
    await store.commit({ events: [event('three')] });
    await until(() => carried.length === 3);
    expect(courier.problem()).toBeUndefined();
    expect((await store.events({ limit: 10 })).map(({ code }) => code)).toContain('notification-refused');
    await courier.end();
  });

  it('loses nothing when it ends before somebody was told', async () => {
    const store = newStore();
    let tries = 0;
    const failing = start(store, async () => {
      tries += 1;
      throw new Error('no');
    });
    await until(() => store.revision() > 0);
    await store.commit({ events: [event('kept')] });
    await until(() => tries > 0);
    await failing.end();
    const carried: string[] = [];
    const courier = start(store, async (events) => void carried.push(...events.map(({ text }) => text)));
    await until(() => carried.length > 0);
    expect(carried).toEqual(['kept']);
    await courier.end();
  });

  it('tells from the history when more happened than changes are kept', async () => {
    const store = newStore(10);
    const first = start(store, async () => undefined);
    await until(() => store.revision() > 0);
    await first.end();
    for (let index = 0; index < 50; index += 1) await store.commit({ events: [event(`lost ${index}`)] });
    const carried: string[] = [];
    const courier = start(store, async (events) => void carried.push(...events.map(({ text }) => text)));
    const before = store.revision();
    await until(() => store.revision() > before);
    await store.commit({ events: [event('now')] });
    await until(() => carried.includes('now'));
    expect(carried).toEqual([...Array.from({ length: 50 }, (_, index) => `lost ${index}`), 'now']);
    await courier.end();
  });

  it('that had nothing to tell for long does not start from the past', async () => {
    const store = newStore(300);
    const first = start(store, async () => undefined);
    await until(() => store.revision() > 0);
    for (let index = 0; index < 500; index += 1) await store.commit({ put: { 'some/thing': { schema: 1, data: index } } });
    const place = async (): Promise<number> => ((await store.get('courier/test'))!.data as { readonly revision: number }).revision;
    while ((await place()) < 400) await new Promise((resolve) => setTimeout(resolve, 2));
    await first.end();
    expect(await place()).toBeGreaterThan(399);
  });

  it('goes on when its place could not be written for a while', async () => {
    const store = newStore();
    let failures = 2;
    const full = new HoldfastError('NO_SPACE', { thing: 'database', why: 'the disk is full', remedy: 'free space' });
    const carried: string[] = [];
    const flaky: StateStore = { ...store, commit: (commit) => (failures-- > 0 ? Promise.reject(full) : store.commit(commit)) };
    const courier = start(flaky, async (events) => void carried.push(...events.map(({ text }) => text)));
    await until(() => store.revision() > 0);
    await store.commit({ events: [event('one')] });
    await until(() => carried.length > 0);
    await courier.end();
  });
});

const stored = (...events: ReturnType<typeof event>[]): StoredEvent[] => events.map((one, index) => ({ ...one, revision: index + 1 }));

describe('e-mail', () => {
  const listen = async (options: ConstructorParameters<typeof SMTPServer>[0] = {}) => {
    const received: { readonly from: string; readonly to: string[]; readonly text: string; readonly user: string | undefined }[] = [];
    const server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onAuth: ({ username, password }, _, done) =>
        password === 'secret' ? done(null, { user: username }) : done(new Error('535 no such user')),
      onData(stream, session, done) {
        const parts: Buffer[] = [];
        stream.on('data', (part: Buffer) => parts.push(part));
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope;
          received.push({
            from: mailFrom === false ? '' : mailFrom.address,
            to: rcptTo.map(({ address }) => address),
            text: Buffer.concat(parts).toString(),
            user: session.user,
          });
          done();
        });
      },
      ...options,
    });
    server.on('error', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server.server, 'listening');
    const { port } = server.server.address() as AddressInfo;
    open.push(() => new Promise<void>((resolve) => server.close(resolve)));
    return { received, port };
  };

  const base = {
    from: 'holdfast@example.com',
    to: ['a@example.com', 'b@example.com'],
    user: undefined,
    password: undefined,
    authorities: undefined,
  };
  const stop = new AbortController().signal;

  it('brings events together in one message to all', async () => {
    const { received, port } = await listen();
    const email = createEmail({ ...base, server: { host: '127.0.0.1', port }, security: 'none' });
    await email.carry(stored(event('db1 is behind'), event('ps1\r\nBcc: x@example.com is away', 'critical', 'server-away')), stop);
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({ from: 'holdfast@example.com', to: ['a@example.com', 'b@example.com'] });
    expect(received[0]!.text).toMatch(/^Subject: \[Holdfast\] critical: ps1/m);
    expect(received[0]!.text).not.toMatch(/^Bcc:/m);
    expect(received[0]!.text).toContain('db1 is behind');
  });

  it('signs in over TLS with an authority of its own, and never without TLS where that is wanted', async () => {
    const authority = await createTestAuthority();
    const { key, certificateChain } = await authority.issue(
      { role: 'agent', id: 'a'.repeat(32) },
      { names: [{ type: 'ip', value: '127.0.0.1' }] },
    );
    const secure = await listen({ secure: true, key, cert: certificateChain });
    const signIn = { user: 'holdfast', password: 'secret', authorities: authority.certificate };
    const server = { host: '127.0.0.1', port: secure.port };
    await createEmail({ ...base, ...signIn, server, security: 'tls' }).carry(stored(event('x')), stop);
    expect(secure.received[0]).toMatchObject({ user: 'holdfast' });
    await expect(createEmail({ ...base, server, security: 'tls' }).carry(stored(event('x')), stop)).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      why: expect.stringMatching(/certificate/),
    });
    await expect(
      createEmail({ ...base, ...signIn, password: 'wrong', server, security: 'tls' }).carry(stored(event('x')), stop),
    ).rejects.toMatchObject({
      why: expect.stringMatching(/535|login/i),
    });
    expect(secure.received).toHaveLength(1);
    const plain = await listen();
    await expect(
      createEmail({ ...base, ...signIn, server: { host: '127.0.0.1', port: plain.port }, security: 'starttls' }).carry(
        stored(event('x')),
        stop,
      ),
    ).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    expect(plain.received).toEqual([]);
  });
});

describe('a webhook', () => {
  it('posts events, signed, and takes only an answer of success', async () => {
    const seen: { readonly headers: IncomingMessage['headers']; readonly body: string }[] = [];
    let status = 204;
    const server = createServer(async (request, response) => {
      seen.push({ headers: request.headers, body: (await request.toArray()).map(String).join('') });
      response.writeHead(status, { location: '/elsewhere' }).end(status === 204 ? undefined : 'not  today\n');
    });
    open.push(() => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`);
    const webhook = createWebhook({ url, secret: 'key', authorities: undefined });
    const { signal } = new AbortController();
    await webhook.carry(stored(event('db1 is behind')), signal);
    const [{ headers, body }] = seen as [(typeof seen)[number]];
    expect(JSON.parse(body)).toMatchObject({
      events: [{ time: '2026-11-22T00:00:00.000Z', severity: 'warning', text: 'db1 is behind', revision: 1 }],
    });
    const [, seconds, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['x-holdfast-signature']))!;
    expect(signature).toBe(createHmac('sha256', 'key').update(`${seconds}.${body}`).digest('hex'));
    for (status of [302, 404, 500])
      await expect(webhook.carry(stored(event('x')), signal)).rejects.toMatchObject({ why: `it answered ${status} not today` });
    expect(seen).toHaveLength(4);
    server.close();
    await expect(webhook.carry(stored(event('x')), signal)).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });
});
