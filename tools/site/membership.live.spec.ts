import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type AgentControl,
  type HardwareIdentity,
  holdAgentControl,
  holdServerControl,
  joinSite,
  type Log,
  type LogFields,
  type Membership,
  openMembership,
  VERSION,
} from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import type { TlsCredentials } from '@holdfast/protocol';
import { createTestAuthority } from '@holdfast/protocol/conformance';
import { createPerson, type Person } from './cli-process.ts';
import { type ConfigurationServer, startConfigurationServer } from './configuration-server.ts';

let directory: string;
let server: ConfigurationServer;
let person: Person;
/** Its certificate ends while the others are at work. */
let ending: Membership;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-members-'));
  server = await startConfigurationServer({ directory: path.join(directory, 'server'), settings: 'certificates: { lifetime: 20s }' });
  person = createPerson(path.join(directory, 'person'));
  const login = ['login', '--server', server.url, '--fingerprint', server.fingerprint, '--name', 'here'];
  const { status, stderr } = await person.run(login, server.administratorToken);
  if (status !== 0) throw new Error(stderr);
  const { join, open } = await machine();
  await join(await token());
  ending = await open();
});
afterAll(async () => {
  await server?.process.stop();
  await rm(directory, { recursive: true });
});

let ends: (() => Promise<void>)[];
beforeEach(() => {
  ends = [];
});
afterEach(async () => {
  for (const end of ends) await end();
});

const hardware = (productUuid: string): HardwareIdentity => ({ productUuid, productSerial: '', macAddresses: [], machineId: '' });
const address = () => ({ host: '127.0.0.1', port: server.port });

const token = async (role: 'agent' | 'process-server' = 'agent'): Promise<string> =>
  (await person.json<{ secret: string }>(['token', 'create', '--role', role])).secret;

let count = 0;
/** A machine of its own, with a state directory. */
const machine = async () => {
  const name = `machine-${++count}`;
  const state = await mkdtemp(path.join(directory, `${name}-`));
  const own = hardware(`9d2c0000-0000-4000-8000-${String(count).padStart(12, '0')}`);
  const join = (secret: string, changes: { role?: 'agent' | 'process-server'; fingerprint?: string } = {}) => {
    const options = { server: address(), fingerprint: server.fingerprint, role: 'agent' as const, hostname: name, version: VERSION };
    return joinSite({ ...options, token: secret, hardware: own, directory: state, ...changes });
  };
  const open = (role: 'agent' | 'process-server' = 'agent', log: Log = silent): Promise<Membership> =>
    openMembership({ directory: state, role, hardware: own, log });
  return { name, state, own, join, open };
};

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent };

/** Lines of a log, and those who wait for one. */
const listening = () => {
  const lines: { message: string; fields: LogFields }[] = [];
  let wake = Promise.withResolvers<void>();
  const take = (message: string, fields: LogFields = {}): void => {
    lines.push({ message, fields });
    wake.resolve();
    wake = Promise.withResolvers();
  };
  const log: Log = { debug: take, info: take, warn: take, error: take, child: () => log };
  const line = async (match: (message: string, fields: LogFields) => boolean) => {
    for (;;) {
      const found = lines.find(({ message, fields }) => match(message, fields));
      if (found !== undefined) return found.fields;
      await wake.promise;
    }
  };
  return { log, lines, line, refused: async () => (await line((message) => message.includes('is refused')))['error'] as HoldfastError };
};

const run = (work: (stopping: AbortSignal) => Promise<void>): (() => Promise<void>) => {
  const stopping = new AbortController();
  const done = work(stopping.signal).catch(() => undefined);
  const end = (): Promise<void> => {
    stopping.abort(new HoldfastError('INTERRUPTED', { thing: 'test', why: 'it ends', remedy: 'none' }));
    return done;
  };
  ends.push(end);
  return end;
};

/** An agent's stream that runs, and the moment its first state came. */
const connect = (membership: Membership) => {
  const { log, lines, line, refused } = listening();
  const first = Promise.withResolvers<bigint>();
  const control: AgentControl = holdAgentControl({
    membership,
    version: VERSION,
    log,
    hello: () => ({ hostname: 'x' }),
    onState: ({ revision }) => first.resolve(revision),
  });
  return { control, lines, line, refused, first: first.promise, end: run(control.run) };
};

/** The same member with a certificate or hardware that is not its own. */
const disguised = (membership: Membership, changes: Partial<Membership>): Membership => ({
  ...membership,
  onRenewed: () => () => undefined,
  ...changes,
});

describe('a member of a real installation', () => {
  it('joins, is told its state, and comes again with renewed certificates without a warning', async () => {
    const { join, open, name } = await machine();
    const { id } = await join(await token());
    const { log, lines } = listening();
    const membership = await open('agent', log);
    const { first, lines: told } = connect(membership);
    await first;
    const renewed = new Promise<void>((resolve) => membership.onRenewed(resolve));
    run(membership.keepRenewed);
    await renewed;
    while (told.filter(({ message }) => message.includes('is connected')).length < 2)
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(lines.map(({ message }) => message)).toEqual(['The certificate was renewed']);
    expect(told.map(({ message }) => message)).toEqual(Array(2).fill('The configuration server is connected'));
    expect(await person.json<{ id: string; connected: boolean }[]>(['machine', 'list'])).toContainEqual(
      expect.objectContaining({ id, name, connected: true }),
    );
  });

  it('joins by a token once, for the role of the token, of the authority with the fingerprint', async () => {
    const { join } = await machine();
    const other = await machine();
    const secret = await token();
    await expect(join(secret, { fingerprint: 'a'.repeat(64) })).rejects.toMatchObject({ code: 'CERTIFICATE_UNTRUSTED' });
    await expect(join(secret, { role: 'process-server' })).rejects.toMatchObject({ code: 'TOKEN_UNKNOWN' });
    const attempts = await Promise.allSettled([join(secret), other.join(secret)]);
    expect(attempts.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(attempts.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'TOKEN_USED' } });
  });

  it('enrols anew as the next incarnation, and the older one is sent away within 5 s', async () => {
    const { join, open } = await machine();
    const first = await join(await token());
    const old = connect(await open());
    await old.first;
    const begin = Date.now();
    const second = await join(await token());
    expect(second).toMatchObject({ id: first.id, incarnation: first.incarnation + 1 });
    expect(await old.refused()).toMatchObject({ code: 'CERTIFICATE_REVOKED' });
    expect(Date.now() - begin).toBeLessThan(5000);
    await connect(await open()).first;
  });

  it('that was removed is sent away within 5 s, and its certificate is good for nothing', async () => {
    const { join, open } = await machine();
    const { id } = await join(await token());
    const membership = await open();
    const { first, refused } = connect(membership);
    await first;
    const begin = Date.now();
    expect(await person.run(['machine', 'remove', id])).toMatchObject({ status: 0 });
    expect(await refused()).toMatchObject({ code: 'CERTIFICATE_REVOKED', remedy: expect.stringContaining('token') });
    expect(Date.now() - begin).toBeLessThan(5000);
    expect(await connect(membership).refused()).toMatchObject({ code: 'CERTIFICATE_REVOKED' });
  });

  it('is not taken for another: a copy on other hardware is told so, and so are the people', async () => {
    const { join, open, state } = await machine();
    const { id } = await join(await token());
    const other = hardware('feed0000-0000-4000-8000-000000000001');
    await expect(openMembership({ directory: state, role: 'agent', hardware: other, log: silent })).rejects.toMatchObject({
      code: 'AGENT_CLONED',
    });
    // One that does not look for itself is found out by the server.
    expect(await connect(disguised(await open(), { hardware: other })).refused()).toMatchObject({ code: 'AGENT_CLONED' });
    expect(await person.json<{ code: string; subject: { id: string } }[]>(['event', 'list'])).toContainEqual(
      expect.objectContaining({ code: 'AGENT_CLONED', subject: expect.objectContaining({ id }) }),
    );
  });

  it('is nobody by the certificate of another authority, even under its own id', async () => {
    const { join, open } = await machine();
    await join(await token());
    const membership = await open();
    const foreign = await (await createTestAuthority()).issue({ role: 'agent', id: membership.id });
    const { authorities } = membership.credentials.current();
    const credentials = { current: (): TlsCredentials => ({ ...foreign, authorities }) };
    expect(await connect(disguised(membership, { credentials })).refused()).toMatchObject({ code: 'CERTIFICATE_UNTRUSTED' });
  });

  it('may do what its role may, and nothing else', async () => {
    const { join, open } = await machine();
    await join(await token('process-server'), { role: 'process-server' });
    const membership = await open('process-server');
    expect(await connect(membership).refused()).toMatchObject({ code: 'NO_PERMISSION' });
    const { log, line } = listening();
    const hello = () => ({ endpoints: [], vaults: [] });
    run(holdServerControl({ membership, version: '1', log, hello, onState: () => undefined }).run);
    await line((message) => message.includes('is connected'));
  });

  it('with a certificate that ended is told so', async () => {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, ending.notAfter - Date.now() + 1500)));
    expect(await connect(ending).refused()).toMatchObject({ code: 'CERTIFICATE_EXPIRED', remedy: expect.stringContaining('clocks') });
  });

  it('outlives the server: killed and started again, it finds its members, and they find it', async () => {
    const { join, open } = await machine();
    await join(await token());
    const { lines, line, first, control } = connect(await open());
    await first;
    await server.process.kill();
    await line((message) => message.includes('is away'));
    control.report({ revision: 0n, events: [{ unixMillis: BigInt(Date.now()), code: 'disk-slow', text: 'seen while it was away' }] });
    await server.process.start();
    while (lines.filter(({ message }) => message.includes('is connected')).length < 2)
      await new Promise((resolve) => setTimeout(resolve, 20));
    let told: string[] = [];
    while (!told.some((text) => text.includes('seen while it was away')))
      told = (await person.json<{ text: string }[]>(['event', 'list'])).map(({ text }) => text);
  });
});
